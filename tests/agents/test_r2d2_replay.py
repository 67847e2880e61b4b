"""R2D2 and its replay: weights and priorities by hand, whole episodes on lanes, and what does not go together."""

import dataclasses

import pytest
import torch
from recorders import Again, assert_same_state, run_plainly
from test_r2d2 import ONLINE, TARGET, make_r2d2, window

from engram import envs
from engram.agents.replay import DrawnWindows
from engram.agents.stored.build import build
from engram.command_line.config import compose_config
from engram.common.errors import UsageError

REPLAY = {"prefill": 240, "capacity_bytes": 300_000, "store_carry_every": 10}


class Run:
    """An agent that collects in recall_first, and its replay."""

    def __init__(self, folder, delay=4, num_envs=4, **options):
        options = {"train_ratio": 4.0, "batch_size": 6, "gamma": 0.9} | options
        options["replay"] = REPLAY | options.get("replay", {})
        env = envs.RecallFirst(num_envs=num_envs, delay=delay)
        self.agent = make_r2d2(env, **options)
        self.agent.check_run(num_envs)
        self.driver = envs.Driver(env, self.agent.carry_every)
        self.driver.start(0, self.agent.initial_carry(num_envs))
        self.agent.open_files(folder, self.driver.row, is_new=True)

    def train(self, rollouts=8):
        metrics = {}
        for _ in range(rollouts):
            steps = self.driver.env_steps
            metrics = self.agent.learn(self.driver.collect(self.agent.policy(steps), 30), steps) or metrics
        return metrics


def fix_values(monkeypatch, agent):
    """Let both networks answer with the tables of the example, the first row a burn-in."""
    for network, table in ((agent.network, ONLINE), (agent.target_network, TARGET)):
        values = torch.tensor(table).repeat(2, 1, 1)[:, 1:]

        def answer(*inputs, values=values, network=network, **options):
            return values + 0 * next(network.parameters()).sum()

        monkeypatch.setattr(network, "read", answer)


def test_weights_and_priorities_of_an_update_by_hand(monkeypatch):
    """The example twice, once with row 3 terminal: its losses .2146281 and .1484202, weighed by 1 and one half."""
    env = envs.RecallFirst(num_envs=2)
    agent = make_r2d2(env, gamma=0.9, num_steps=3, burn_in=1, batch_length=6)
    batch = window(agent, env)
    rows = batch.rows[:, :7]
    rows["reward"] = torch.tensor([0.0, 1, 0, 2, 0, -1, 3]).repeat(2, 1)
    rows["action"] = torch.tensor([1, 0, 1, 0, 1, 0, 1]).repeat(2, 1)
    rows["is_last"] = torch.arange(7).eq(3).repeat(2, 1)
    rows["is_terminal"] = rows["is_last"] & torch.tensor([[False], [True]])
    is_trained = torch.arange(7).ne(0).repeat(2, 1)
    windows = DrawnWindows(torch.tensor([0, 1]), torch.tensor([0, 20]), torch.tensor([1, 0.5]), 3.5, 0.25)
    given = []
    agent._replay = type("Given", (), {"set_priorities": lambda self, *given_: given.append(given_)})()
    fix_values(monkeypatch, agent)
    batch = dataclasses.replace(batch, rows=rows, is_trained=is_trained, windows=windows)
    metrics = agent.update(batch, 0)
    assert metrics["value"] == pytest.approx((0.2146281006 + 0.5 * 0.1484201807) / 2, abs=1e-6)
    assert metrics["replay/largest_weight"] == 3.5 and metrics["replay/effective_share"] == 0.25
    ((same, priorities),) = given
    assert same is windows and priorities.tolist() == pytest.approx([1.016743433, 0.995630042], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "num_envs"),
    [({}, 4), ({}, 1), ({"carry_from": "initial"}, 3), ({"burn_in": 0, "batch_length": 10}, 2)],
)
def test_priorities_are_those_of_the_errors(tmp_path, monkeypatch, options, num_envs):
    """Whatever a window begins with and however long it is, what was drawn has then the priority of its errors."""
    run = Run(tmp_path, num_envs=num_envs, delay=40, **options)
    seen = []
    given = type(run.agent.replay).set_priorities

    def listen(self, windows, priorities):
        given(self, windows, priorities)
        seen.append((windows, priorities))

    monkeypatch.setattr(type(run.agent.replay), "set_priorities", listen)
    metrics = run.train(12 // num_envs + 5)
    replay = run.agent.replay
    assert metrics["replay/largest_weight"] > 0 and len(seen) == run.agent.num_updates > 5
    windows, priorities = seen[-1]
    scaled = replay.state_dict()["priorities"]["scaled"]
    last = dict(
        zip(zip(windows.envs.tolist(), windows.starts.tolist(), strict=True), priorities, strict=True)
    )
    for (env, start), priority in last.items():
        found = scaled[start // 10 % len(scaled), env].item()
        assert start % 10 == 0 and found == pytest.approx(priority.item() ** 0.9)
    assert len(scaled[scaled > 0].unique()) > 4


@pytest.mark.parametrize("sampling", ["uniform", "recency", "prioritized", "episodes"])
def test_every_way_to_draw_learns_and_is_restored_to_the_bit(tmp_path, sampling):
    options = {"burn_in": 0, "carry_from": "initial"} if sampling == "episodes" else {}
    run = Run(tmp_path, replay={"sampling": sampling}, **options)
    run.train()
    agent, replay = run.agent, run.agent.replay
    state, replayed = agent.state_dict(), replay.state_dict()
    state = {key: value.clone() if hasattr(value, "clone") else value for key, value in state.items()}
    again = Run(tmp_path / "again", replay={"sampling": sampling}, **options)
    again.agent.load_state_dict(state)
    again.agent._replay = replay
    expected = [agent.update(replay.sample(), 0) for _ in range(3)]
    replay.load_state_dict(replayed)
    assert [again.agent.update(replay.sample(), 0) for _ in range(3)] == expected
    assert ("replay/largest_weight" in expected[0]) == (sampling == "prioritized")


@pytest.mark.parametrize("sampling", ["uniform", "prioritized", "episodes"])
def test_recorded_updates_learn_the_same(tmp_path, sampling):
    options = {"burn_in": 0, "carry_from": "initial"} if sampling == "episodes" else {}
    options |= {"replay": {"sampling": sampling}, "target_update_interval": 2}
    plain, captured, again = Run(tmp_path / "a", **options), Run(tmp_path / "b", **options), Again()
    run_plainly(plain.agent)
    captured.agent.capture_updates(again)
    assert captured.train() == plain.train()
    assert_same_state(captured.agent, plain.agent)
    assert again.recorded == 2 and again.replayed == 2 * (plain.agent.num_updates - 1)


def test_on_a_lane_an_episode_is_learnt_from_as_it_is_alone(tmp_path):
    """Values and targets of every row, from one pass over the lane, and from one over its episode by itself."""
    run = Run(
        tmp_path, batch_length=21, burn_in=0, carry_from="initial", replay={"sampling": "episodes"}, delay=4
    )
    run.train(6)
    agent, batch = run.agent, run.agent.replay.sample()

    def targets(rows):
        carry = agent.network.initial_carry(len(rows))
        with torch.no_grad():
            values = [network(rows, carry, burn_in=0) for network in (agent.network, agent.target_network)]
            return values[0], agent.targets(rows, *values)

    values, taught = targets(batch.rows)
    assert batch.rows["is_first"].sum() > 20
    for lane, first in batch.rows["is_first"].nonzero().tolist():
        end = min(first + 6, 21)  # recall_first with a delay of 4 has six rows
        alone, taught_alone = targets(batch.rows[lane : lane + 1, first:end])
        torch.testing.assert_close(alone[0], values[lane, first:end])
        torch.testing.assert_close(taught_alone[0], taught[lane, first : end - 1])


def test_a_later_episode_of_a_lane_changes_nothing_before_it(tmp_path):
    run = Run(tmp_path, batch_length=20, burn_in=0, carry_from="initial", replay={"sampling": "episodes"})
    run.train(6)
    agent, batch = run.agent, run.agent.replay.sample()
    rows, other = batch.rows.clone(), batch.rows.clone()
    other["reward"][:, 6:] = torch.nan
    other["obs"][:, 6:] = 0
    carry = agent.network.initial_carry(len(rows))
    with torch.no_grad():
        one, two = (agent.targets(x, *[agent.network(x, carry, burn_in=0)] * 2) for x in (rows, other))
    assert rows["is_first"][:, 6].all() and torch.equal(one[:, :5], two[:, :5])


def test_episodes_begin_with_the_initial_carry():
    env = envs.RecallFirst(num_envs=2)
    for options in ({"burn_in": 0}, {"carry_from": "initial"}, {}):
        with pytest.raises(
            ValueError, match=r"expected agent.carry_from=initial and agent.burn_in=0, but got"
        ):
            make_r2d2(env, replay={"sampling": "episodes"}, **options)
    make_r2d2(env, replay={"sampling": "episodes"}, carry_from="initial", burn_in=0)


WRONG = {
    "replay.sampling=newest": "sampling of a replay must be one of uniform, recency, prioritized, episodes, but got "
    "'newest'; set agent.replay.sampling=prioritized.",
    "replay.priority_exponent=-1": "priority_exponent of a replay must be a number of at least 0, but got -1",
    "replay.importance_exponent=no": "importance_exponent of a replay must be a number from 0 to 1, but got",
    "replay.max_priority_weight=1.5": "max_priority_weight of a replay must be a number from 0 to 1, but got 1.5",
    "replay.store_carry_every=7": "expected agent.replay.store_carry_every to be a divisor or a multiple of the",
    "replay.store_carry_every=0": "store_carry_every of a replay must be a whole number of at least 1",
    "replay.prefill_policy=mine": "prefill_policy of a replay must be one of own, random, but got 'mine'",
    "replay.sampling=episodes": "expected agent.carry_from=initial and agent.burn_in=0, but got 'stored' and 20",
    "replay.rewarded_share=0.5": "expected agent.replay.sampling=episodes, but got 'prioritized'; set it, or the",
    "replay.rewarded_share=2": "rewarded_share of a replay must be a number from 0 to 1, but got 2",
    "replay.prefil=8": "did you mean 'agent.replay.prefill'",
    "replay.alpha=0.9": "'agent.replay.alpha' does not",
    "carry_from=nowhere": "carry_from of R2D2 must be one of initial, stored, but got 'nowhere'",
    "burn_in=-1": "burn_in of R2D2 must be a whole number of at least 0",
    "num_steps=0": "num_steps of R2D2 must be a whole number of at least 1",
    "gamma=2": "gamma of R2D2 must be a number from 0 to 1, but got 2",
    "epsilon=1.1": "epsilon of R2D2 must be a number from 0 to 1, but got 1.1",
    "epsilon_alpha=-2": "epsilon_alpha of R2D2 must be a number of at least 0, but got -2",
    "target_update_rate=3": "target_update_rate of R2D2 must be a number above 0 and at most 1, but got 3",
    "target_update_interval=0.5": "target_update_interval of R2D2 must be a whole number of at least 1",
    "train_ratio=0": "train_ratio of R2D2 must be a number above 0, but got 0",
    "learning_rate=fast": "learning_rate of R2D2 must be a number above 0, but got 'fast'",
    "rescaling=3": "rescaling of R2D2 must be true or false, but got 3",
    "batch_size=all": "batch_size of R2D2 must be a whole number of at least 1",
}


@pytest.mark.parametrize("word", WRONG)
def test_wrong_settings_are_one_sentence(word):
    env = envs.RecallFirst(num_envs=2)
    with pytest.raises((ValueError, UsageError)) as caught:
        values = compose_config("train", ["agent=r2d2", "core=gru", f"agent.{word}"]).values
        make_core, agent = build(values["core"]), build(values["agent"])
        agent(env.single_observation_space, env.single_action_space, make_core)
    sentence = str(caught.value)
    assert WRONG[word] in sentence and "\n" not in sentence and sentence.count(". ") == 0, sentence


def test_a_world_model_has_no_priorities():
    with pytest.raises(
        ValueError, match="sampling of a replay must be one of uniform, recency, episodes, but got 'prio"
    ):
        build(compose_config("train", ["agent=r2i", "agent.replay.sampling=prioritized"]).values["agent"])(
            *(
                getattr(envs.RecallFirst(num_envs=2), f"single_{name}_space")
                for name in ("observation", "action")
            ),
            build(compose_config("train", ["core=gru"]).values["core"]),
        )
