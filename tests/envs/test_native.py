"""Native environments: pure, the same at any batch size, and what recall_first pays."""

import pytest
import torch
from contract import assert_equal, play
from toy_envs import ScriptedNative

from engram.common.random import randint
from engram.envs import RecallFirst


def test_recall_first_by_hand() -> None:
    env = RecallFirst(3, delay=2, num_symbols=4)
    row = env.reset(7)
    cue = row["obs"]
    assert torch.equal(cue, randint(4, 7, "cue", torch.arange(3), 0))
    answer = torch.stack([cue[0], (cue[1] + 1) % 4, cue[2]])
    blank = [4, 4, 4]
    for actions, is_last, reward in [
        (1, False, [0, 0, 0]),
        (0, False, [0, 0, 0]),
        (answer, True, [1, -1, 1]),
    ]:
        row = env.step(torch.as_tensor(actions).expand(3))
        assert row["obs"].tolist() == blank and row["reward"].tolist() == reward
        assert row["is_last"].tolist() == row["is_terminal"].tolist() == [is_last] * 3
    row = env.step(answer)
    assert row["is_first"].all() and torch.equal(row["obs"], randint(4, 7, "cue", torch.arange(3), 1))
    assert env.name == "diagnostic/recall_first" and env.best_return == 1 and env.chance_return == -0.5


def test_without_a_delay_the_cue_itself_is_answered() -> None:
    env = RecallFirst(5, delay=0)
    row = env.reset(0)
    for _ in range(3):
        row = env.step(row["obs"])
        assert row["is_last"].all() and (row["reward"] == 1).all()
        row = env.step(torch.zeros(5, dtype=torch.int64))


def test_guessing_is_worth_chance_and_cues_are_uniform() -> None:
    env = RecallFirst(2000, delay=1, num_symbols=3)
    rows = play(env, 0, 8)
    ends = torch.cat([row["reward"][row["is_last"]] for row in rows])
    assert len(ends) == 2 * 2000 + 2000 * 0 + (2000 if rows[8]["is_last"].all() else 0)
    assert abs(ends.mean() - env.chance_return) < 0.05
    cues = torch.cat([row["obs"][row["is_first"]] for row in rows])
    assert (torch.bincount(cues).float() / len(cues) - 1 / 3).abs().max() < 0.03


@pytest.mark.parametrize("make", [RecallFirst, ScriptedNative])
def test_the_same_at_any_batch_size_and_split(make) -> None:
    whole, part = make(7), make(3, env_index_offset=2)
    row, other = whole.reset(5), part.reset(5)
    for step in range(30):
        assert_equal(row[2:5], other)
        action = torch.arange(7) % 4 * (step % 2)
        row, other = whole.step(action), part.step(action[2:5])


@pytest.mark.parametrize("make", [RecallFirst, ScriptedNative])
def test_step_fn_is_pure(make) -> None:
    env = make(4)
    state, _ = env.reset_fn(3)
    for step in range(12):
        before = state.clone()
        following, row = env.step_fn(state, torch.full((4,), step % 4))
        assert all(torch.equal(value, before[key]) for key, value in state.items(True, True))
        again, row_again = env.step_fn(state, torch.full((4,), step % 4))
        assert_equal(row, row_again)
        assert_equal(following, again)
        state = following
    assert env.state is None


def test_a_rollout_compiles_without_a_graph_break() -> None:
    env = RecallFirst(4, delay=2)
    state, _ = env.reset_fn(3)

    def three_steps(state, action):
        rows = []
        for _ in range(3):
            state, row = env.step_fn(state, action)
            rows.append(row)
        return state, rows

    compiled = torch.compile(three_steps, fullgraph=True, backend="eager")
    action = torch.arange(4)
    for row, expected in zip(compiled(state, action)[1], three_steps(state, action)[1], strict=True):
        assert_equal(row, expected)


@pytest.mark.gpu
def test_the_same_on_cuda() -> None:
    for row, other in zip(
        play(RecallFirst(64), 1, 1), [RecallFirst(64, device="cuda").reset(1)], strict=False
    ):
        assert_equal(row, other.cpu())
    env, other = RecallFirst(64), RecallFirst(64, device="cuda")
    env.reset(1), other.reset(1)
    for step in range(40):
        action = (torch.arange(64) + step) % 4
        assert_equal(env.step(action), other.step(action.cuda()).cpu())


def test_wrong_options_are_refused() -> None:
    with pytest.raises(
        ValueError, match="delay of RecallFirst must be a whole number of at least 0, but got -1"
    ):
        RecallFirst(2, delay=-1)
    with pytest.raises(ValueError, match="Videos need an environment that draws pictures"):
        RecallFirst(2).render(0)
