"""Probes on features whose content is known, and the parts they are made of."""

import math
from functools import partial

import pytest
import torch
from small_cores import make_small

from engram import envs
from engram.agents import PPO
from engram.common.errors import UsageError
from engram.instruments import HiddenRows, play_hidden
from engram.instruments.hidden_rows import rows_since
from engram.instruments.probes import READOUTS, memory_features, probe
from engram.instruments.probes.episodes import Split, episode_of, of_other_episodes, split_episodes
from engram.instruments.probes.features import MOST_FEATURES
from engram.instruments.probes.scores import balanced, by_age, mean_over_episodes, row_scores
from engram.instruments.probes_finding import find_probes
from engram.memory_cores import HCAM

EPISODES, LENGTH = 60, 10


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rows_of_episodes():
    return torch.arange(EPISODES).repeat_interleave(LENGTH)


def test_rows_since_something_was_shown():
    is_shown = torch.tensor([[False, True, False, False, False, True, False]])
    is_first = torch.tensor([[True, False, False, True, False, False, False]])
    assert rows_since(is_shown, is_first).tolist() == [[-1, 0, 1, -1, -1, 0, 1]]


def test_every_episode_is_for_one_purpose():
    episode = rows_of_episodes()
    split = split_episodes(episode)
    parts = [set(episode[part].tolist()) for part in split]
    assert [len(part) for part in parts] == [36, 12, 12] and len(set.union(*parts)) == EPISODES
    assert parts != [set(episode[part].tolist()) for part in split_episodes(episode, seed=1)]
    with pytest.raises(ValueError, match="at least 5 of them, but 4 were played"):
        split_episodes(torch.arange(4))


def test_labels_of_other_episodes():
    episode = torch.tensor([0, 0, 0, 1, 1, 2])
    value = torch.tensor([0, 1, 2, 10, 11, 20])
    found = of_other_episodes(value, episode).tolist()
    assert all(one // 10 != own for one, own in zip(found, episode.tolist(), strict=True))
    taken = found[0] // 10  # the other's rows in its order, from its beginning again where it is shorter
    assert found[:3] == {1: [10, 11, 10], 2: [20, 20, 20]}[taken]
    assert episode_of(torch.tensor([[True, False, True], [False, True, False]])).tolist() == [
        [0, 0, 1],
        [2, 3, 3],
    ]


@pytest.mark.parametrize("readout", READOUTS)
def test_real_numbers_that_are_there(readout):
    x = drawn(EPISODES * LENGTH, 6)
    target = torch.stack([2 * x[:, 0] - x[:, 3] + 5, x[:, 1]], dim=1)
    found = probe(x, target, None, rows_of_episodes(), torch.zeros(len(x), dtype=torch.int64), readout)
    assert found.r2 > 0.97 and found.score < 0.03 * found.baseline and found.balanced_accuracy is None
    assert found.control > 0.8 * found.baseline
    assert math.isclose(found.baseline, 6.0, rel_tol=0.3)  # the variances are 5 and 1


@pytest.mark.parametrize("readout", READOUTS)
def test_choices_that_are_there_and_that_are_not(readout):
    episode, ago = rows_of_episodes(), torch.arange(LENGTH).repeat(EPISODES)
    target = torch.randint(3, (EPISODES,), generator=torch.Generator().manual_seed(0))[episode, None]
    x = torch.cat(
        [torch.nn.functional.one_hot(target[:, 0], 3) + 0.1 * drawn(len(target), 3), drawn(len(target), 2)], 1
    )
    found = probe(x, target, 3, episode, ago, readout)
    assert found.score == found.balanced_accuracy == 1 and found.r2 is None and found.standard_error == 0
    assert found.control < 0.6 and found.baseline < 0.7 and found.num_rows == 12 * LENGTH
    assert found.ages == ((0, 0, 1.0, 12), (1, 5, 1.0, 60), (6, 10, 1.0, 48))
    none = probe(drawn(len(target), 5), target, 3, episode, ago, readout)
    assert none.score < 0.6


def test_what_was_not_shown_yet_is_left_out():
    episode = rows_of_episodes()
    ago = torch.where(torch.arange(LENGTH) < 4, -1, 3).repeat(EPISODES)
    target = (drawn(len(episode), 1) > 0).long()
    found = probe(target.float(), target, 2, episode, ago)
    assert found.score == 1 and found.num_rows == 12 * 6 and found.ages == ((1, 5, 1.0, 72),)


def test_a_perceptron_reads_what_a_line_does_not():
    x = drawn(EPISODES * LENGTH, 2)
    target = ((x[:, :1] > 0) ^ (x[:, 1:] > 0)).long()
    ago = torch.zeros(len(x), dtype=torch.int64)
    line, curve = (probe(x, target, 2, rows_of_episodes(), ago, readout).score for readout in READOUTS)
    assert line < 0.7 and curve > 0.9


def test_the_penalty_is_chosen_and_features_are_standardised():
    x = torch.cat([1e4 * drawn(100, 1) + 1e6, torch.full((100, 1), 7.0)], dim=1)
    split = Split(torch.arange(100) < 60, torch.arange(100) >= 60, torch.zeros(100, dtype=torch.bool))
    target = 3 * (x[:, :1] - 1e6) / 1e4 + 2
    predicted = READOUTS["linear"](x, target, None, split)(x)
    torch.testing.assert_close(predicted, target, atol=0.01, rtol=0)


def test_scores_by_hand():
    predicted, target = torch.tensor([[0, 1], [2, 2], [1, 1]]), torch.tensor([[0, 2], [2, 2], [1, 0]])
    assert row_scores(predicted, target, 3).tolist() == [0.5, 1, 0.5]
    assert row_scores(torch.tensor([[1.0, 2]]), torch.tensor([[0.0, 4]]), None).tolist() == [5]
    assert balanced(predicted, target, 3) == pytest.approx((0.5 + 1 + 2 / 3) / 3)
    mean, error = mean_over_episodes(
        torch.tensor([1.0, 0, 1, 1], dtype=torch.float64), torch.tensor([0, 0, 3, 3])
    )
    # Episodes' sums are off by -0.5 and 0.5: √(0.5 · 2 / 1) / 4.
    assert mean == 0.75 and error == pytest.approx(0.25)
    assert math.isnan(mean_over_episodes(torch.ones(2), torch.zeros(2))[1])
    ages = list(by_age(torch.tensor([1.0, 0, 1, 0]), torch.tensor([0, 4, 5, 51])))
    assert ages == [(0, 0, 1.0, 1), (1, 5, 0.5, 2), (51, 200, 0.0, 1)]


def test_rows_are_compared_with_the_same_rows():
    """What makes an episode hard for both read-outs is no difference between them."""
    episode, ago = rows_of_episodes(), torch.zeros(EPISODES * LENGTH, dtype=torch.int64)
    hard = 5 * drawn(EPISODES, 1, seed=1)[episode]
    target = drawn(len(episode), 1) + hard * drawn(len(episode), 1, seed=2)
    nothing, little = drawn(len(episode), 1, seed=3), target + hard * drawn(len(episode), 1, seed=4)
    found = [probe(x, target, None, episode, ago) for x in (little, nothing)]
    ahead, error = found[0].ahead_of(found[1])
    assert ahead == pytest.approx(found[0].score - found[1].score) and ahead < 0
    assert error < math.hypot(*(one.standard_error for one in found))
    assert found[0].ahead_of(found[0]) == (0, 0)


def agent_and_env(make_core, num_envs=6):
    env = envs.RecallFirst(num_envs=num_envs, delay=3)
    return PPO(env.single_observation_space, env.single_action_space, make_core, seed=1), env


def test_a_memory_holds_the_cue_and_a_network_without_one_does_not():
    agent, env = agent_and_env(make_small("gru", hidden_size=24))
    played, hidden = play_hidden(agent, env, 100, deterministic=False)
    features = memory_features(agent, played)
    assert set(features) == {"carry", "output", "observation"} and features["carry"].shape == (6, 100, 24)
    finding = find_probes(features, hidden, played.rows["is_first"])
    by_source = {row["read_from"]: row for row in finding.table}
    assert by_source["carry"]["score"] > 0.95 > 0.6 > by_source["observation"]["score"]
    assert by_source["carry"]["control"] < 0.5 and finding.sentences[0].startswith("cue, accuracy: carry")
    assert {row["rows_ago_to"] for row in finding.more_tables["probes_age"]} == {0, 5}
    control, _ = agent_and_env(make_small("mlp"))
    assert set(memory_features(control, played)) == {"output", "observation"}
    with pytest.raises(UsageError, match=r"one of cue, but got 'card'; set probes\.of=\[cue\]"):
        find_probes(features, hidden, played.rows["is_first"], of=["card"])


def test_a_large_carry_is_projected():
    agent, env = agent_and_env(partial(HCAM, hidden_size=16, num_chunks=9, chunk_length=8), num_envs=1)
    played, _ = play_hidden(agent, env, 4)
    features = memory_features(agent, played)["carry"]
    assert features.shape == (1, 4, MOST_FEATURES)
    outlook = agent.outlook(played.rows, agent.initial_memory(1))
    _, carry = outlook.core(outlook.x, outlook.carry, played.rows["is_first"])
    full = outlook.core.carry_features(carry)[0]
    assert len(full) > MOST_FEATURES
    assert features[0, -1].norm() == pytest.approx(float(full.detach().norm()), rel=0.15)


def test_earlier_observations():
    agent, env = agent_and_env(make_small("gru"))
    played, hidden = play_hidden(agent, env, 12, lags=[2])
    assert list(hidden) == ["cue", "observation_2_ago"]
    found = hidden["observation_2_ago"]
    assert isinstance(found, HiddenRows) and found.num_classes == 5
    position = torch.arange(12) % 5
    assert found.rows_ago[0].tolist() == torch.where(position >= 2, 2, -1).tolist()
    assert torch.equal(found.value[:, 4, 0], played.rows["obs"][:, 2])
    other = envs.make_env("diagnostic/t_maze", num_envs=1)
    walker = PPO(other.single_observation_space, other.single_action_space, make_small("gru"))
    with pytest.raises(UsageError, match=r"Earlier observations are probed where they are Discrete"):
        play_hidden(walker, other, 2, lags=[1])


def test_what_a_task_does_not_say():
    env = envs.make_env("diagnostic/parity", num_envs=1)
    agent = PPO(env.single_observation_space, env.single_action_space, make_small("gru"))
    with pytest.raises(
        UsageError, match="but diagnostic/parity says nothing of the kind; leave probes out of what"
    ):
        play_hidden(agent, env, 2)
