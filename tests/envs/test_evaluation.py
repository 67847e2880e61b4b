"""Evaluation plays a fixed share per environment."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from recorders import Again
from tensordict import TensorDict
from toy_envs import Painted, Scripted, ScriptedNative, register

from engram.agents import PPO
from engram.envs import (
    EvaluationResult,
    EvaluationStoppedError,
    GymnasiumEnv,
    RecallFirst,
    evaluate,
    make_env,
)
from engram.envs.captured import MOST_ROWS, CapturedPlay
from engram.memory_cores import GRU


def constant(row: TensorDict, carry: TensorDict):
    return torch.zeros(len(row), dtype=torch.int64), carry, TensorDict({}, [len(row)])


@pytest.mark.parametrize("native", [True, False])
def test_shares_are_fixed(native: bool) -> None:
    env = ScriptedNative(3) if native else GymnasiumEnv(register(Scripted), 3)
    result = evaluate(env, constant, TensorDict({}, [3]), episodes=7, seed=0)
    # The first environment plays three of the script's episodes, the others two; short ones are not
    # preferred.
    assert result.lengths == [2, 3, 1, 2, 3, 2, 3]
    assert result.returns == [30, 60, 10, 30, 60, 30, 60]
    assert result.mean == 40
    assert math.isclose(result.standard_error, np.std(result.returns, ddof=1) / math.sqrt(7))


class Shifted(ScriptedNative):
    """Every environment is at another place of the script, so that some finish more episodes than others."""

    def begin(self, seed, env_index, episode):
        return super().begin(seed, env_index, torch.where(env_index == 0, 1, 2))


def episodes(returns, lengths, num_truncated=0, **reported):
    """A result of these."""
    known = {"episodic_return": returns, "episodic_length": lengths}
    return EvaluationResult(known | reported, num_truncated)


def test_short_episodes_are_not_preferred() -> None:
    result = evaluate(Shifted(2), constant, TensorDict({}, [2]), episodes=4, seed=0)
    assert result.lengths == [3, 3, 1, 1]


def test_fewer_episodes_than_environments() -> None:
    result = evaluate(ScriptedNative(5), constant, TensorDict({}, [5]), episodes=2, seed=0)
    assert result.lengths == [2, 2]
    single = evaluate(ScriptedNative(5), constant, TensorDict({}, [5]), episodes=1, seed=0)
    assert single.lengths == [2] and math.isnan(single.standard_error)


def test_a_policy_with_memory_is_worth_one() -> None:
    def recall(row: TensorDict, carry: TensorDict):
        cue = torch.where(row["is_first"], row["obs"], carry["cue"])
        carry["cue"].copy_(cue)
        return cue, carry, TensorDict({}, [4])

    carry = TensorDict({"cue": torch.zeros(4, dtype=torch.int64)}, [4])
    result = evaluate(RecallFirst(4), recall, carry, episodes=20, seed=3)
    assert result == episodes([1.0] * 20, [9] * 20, success_rate=[1.0] * 20)
    assert result.mean == 1 and result.standard_error == 0
    assert not carry["cue"].any()


def test_pictures_are_of_environment_0s_share() -> None:
    frames: list[int] = []
    env = GymnasiumEnv(register(Painted), 2, render_mode="rgb_array")
    evaluate(
        env,
        constant,
        TensorDict({}, [2]),
        3,
        seed=0,
        on_frame=lambda frame: frames.append(int(frame[0, 0, 0])),
    )
    assert frames == [0, 1, 2, 10, 11, 12, 13]  # 10 × episode + time


class Endless(ScriptedNative):
    """Pays 1 a step; environment 0 never ends, the others after 2 steps."""

    def begin(self, seed, env_index, episode):
        return {"length": torch.where(env_index == 0, 10**6, 2)}

    def advance(self, task, time, action):
        is_last = time + 1 == task["length"]
        return task, torch.ones(len(time)), is_last, torch.zeros_like(is_last)


def test_an_episode_without_an_end_counts_as_truncated() -> None:
    """Two episodes each: environment 0's are cut at 5 steps, and each time all of them begin anew."""
    result = evaluate(Endless(2), constant, TensorDict({}, [2]), episodes=4, seed=7, max_episode_steps=5)
    assert result == episodes([5, 5, 2, 2], [5, 5, 2, 2], num_truncated=2)
    assert result.mean == 3.5
    exact = evaluate(Endless(2), constant, TensorDict({}, [2]), episodes=2, seed=7, max_episode_steps=2)
    assert exact == episodes([2, 2], [2, 2], num_truncated=1)


def test_gymnasium_environments_without_an_end_are_cut() -> None:
    """CliffWalking as registered: nobody who walks up ever arrives. Registered limits hold beside the evaluation's."""
    up = GymnasiumEnv("CliffWalking-v1", 2)
    result = evaluate(up, constant, TensorDict({}, [2]), episodes=3, seed=0, max_episode_steps=20)
    assert result == episodes([-20.0] * 3, [20] * 3, num_truncated=3)
    limited = GymnasiumEnv("CliffWalking-v1", 2, max_episode_steps=6)
    result = evaluate(limited, constant, TensorDict({}, [2]), episodes=3, seed=0, max_episode_steps=20)
    assert result == episodes([-6.0] * 3, [6] * 3, prob=[1.0] * 3)  # in its infos


def test_an_evaluation_can_be_stopped() -> None:
    answers = iter([False, False, True])
    with pytest.raises(EvaluationStoppedError):
        evaluate(
            Endless(1), constant, TensorDict({}, [1]), episodes=1, seed=0, should_stop=lambda: next(answers)
        )
    with pytest.raises(StopIteration):
        next(answers)


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_is_at_least_one_step(limit: int) -> None:
    with pytest.raises(
        ValueError, match=f"max_episode_steps of evaluate must be .* at least 1, or null, but got {limit}"
    ):
        evaluate(Endless(1), constant, TensorDict({}, [1]), episodes=1, seed=0, max_episode_steps=limit)


def test_at_least_one_episode() -> None:
    with pytest.raises(
        ValueError, match="episodes of evaluate must be a whole number of at least 1, but got 0"
    ):
        evaluate(ScriptedNative(2), constant, TensorDict({}, [2]), episodes=0, seed=0)


@pytest.mark.parametrize("task", ["popgym/battleship_easy", "diagnostic/recall_first"])
def test_recorded_rows_count_alike(task: str) -> None:
    """Played in pieces of 16 rows, of which a replay leaves some over: the same episodes, reports included."""
    env, other = make_env(task, num_envs=3), make_env(task, num_envs=3)
    agent = PPO(env.single_observation_space, env.single_action_space, partial(GRU, hidden_size=4))
    again = Again()
    captured = CapturedPlay(other, agent.act, MOST_ROWS, MOST_ROWS, again)
    for seed in range(2):
        expected = evaluate(env, agent.act, agent.initial_carry(3), 7, seed)
        assert evaluate(other, agent.act, agent.initial_carry(3), 7, seed, captured=captured) == expected
    assert again.recorded == 1 and again.replayed > 1


def test_recorded_rows_may_be_truncated_and_stopped() -> None:
    env = RecallFirst(num_envs=3, delay=20)
    agent = PPO(env.single_observation_space, env.single_action_space, partial(GRU, hidden_size=4))
    captured = CapturedPlay(env, agent.act, MOST_ROWS, MOST_ROWS, Again())
    arguments = {"episodes": 5, "seed": 0, "captured": captured}
    result = evaluate(env, agent.act, agent.initial_carry(3), max_episode_steps=4, **arguments)
    assert result.lengths == [4] * 5 and result.num_truncated == 5
    with pytest.raises(EvaluationStoppedError):
        evaluate(env, agent.act, agent.initial_carry(3), should_stop=lambda: True, **arguments)


def test_a_recorded_row_that_is_not_finite_is_named() -> None:
    class Spoilt(ScriptedNative):
        def observe(self, task, time):
            seen = super().observe(task, time).float()
            return torch.where(time == 2, torch.nan, seen)

    messages = []
    for is_captured in (False, True):
        env = Spoilt(2)
        captured = CapturedPlay(env, constant, MOST_ROWS, MOST_ROWS, Again()) if is_captured else None
        with pytest.raises(FloatingPointError) as error:
            evaluate(env, constant, TensorDict({}, [2]), episodes=6, seed=0, captured=captured)
        messages.append(str(error.value))
    assert messages[0] == messages[1] and "observation nan in episode" in messages[0]
