"""An evaluation refuses numbers that are not finite, by environment, episode and row."""

import numpy as np
import pytest
import torch
from tensordict import TensorDict
from toy_envs import ScriptedNative

from engram.envs import Driver, evaluate
from engram.envs.finite import check_finite, check_rollout


def constant(row, carry):
    return torch.zeros(len(row), dtype=torch.int64), carry, TensorDict({}, [len(row)])


def row(obs, reward=(0.0, 0.0)):
    return TensorDict({"obs": obs, "reward": torch.tensor(reward)}, [2])


def check(row, played=(0, 0), length=(0, 0)):
    check_finite("toys/Env", row, np.array(played) < 2, played, np.array(length))


def test_the_environment_the_episode_and_the_row_are_named():
    nested = TensorDict(
        {"picture": torch.zeros(2, 3, 3, dtype=torch.uint8), "arm": {"angle": torch.ones(2, 2)}}, [2]
    )
    check(row(nested))
    check(row(torch.zeros(2, dtype=torch.int64)))
    nested["arm", "angle"][1, 0] = -torch.inf
    pattern = r"toys/Env gave the observation arm\.angle -inf in episode 2 of environment 1, row 7; "
    with pytest.raises(FloatingPointError, match=pattern):
        check(row(nested), played=(0, 1), length=(3, 7))
    with pytest.raises(
        FloatingPointError, match="gave the observation nan in episode 1 of environment 0, row 0"
    ):
        check(row(torch.tensor([torch.nan, 1.0])))
    with pytest.raises(FloatingPointError, match="gave the reward nan in episode 1 of environment 1, row 0"):
        check(row(torch.zeros(2, 4), reward=(1.0, torch.nan)))


def test_environments_that_have_played_their_share_are_left_alone():
    check(row(torch.tensor([torch.nan, 1.0])), played=(2, 1))


class Rotting(ScriptedNative):
    """Every episode's last reward is NaN."""

    def step(self, action):
        row = super().step(action)
        row["reward"] = torch.where(row["is_last"], torch.nan, row["reward"])
        return row


def test_an_evaluation_stops_at_the_first():
    with pytest.raises(FloatingPointError, match=r"the reward nan in episode 1 of environment 0, row 2"):
        evaluate(Rotting(2), constant, TensorDict({}, [2]), episodes=4, seed=0)


class Bursting(ScriptedNative):
    """The reward of its fourth row is infinite in environment 1."""

    rows = 0

    def step_sampled(self, action):
        row = super().step_sampled(action)
        self.rows += 1
        row["reward"][1] = torch.inf if self.rows == 3 else 0.0
        return row


def test_no_rollout_with_infinite_rewards_is_handed_out():
    driver = Driver(Bursting(2))
    driver.start(0, TensorDict({}, [2]))
    driver.collect(constant, 2)
    # The fourth row is the one after these: a checkpoint might hold it.
    pattern = "scripted gave the reward inf in environment 1; the run stops before anything is learnt"
    with pytest.raises(FloatingPointError, match=pattern):
        driver.collect(constant, 1)


def test_a_part_of_an_observation_is_named_and_whole_numbers_are_left_alone():
    env = ScriptedNative(2, env_index_offset=4)
    nested = TensorDict({"arm": torch.zeros(2, 3, 2), "count": torch.zeros(2, 3, dtype=torch.int64)}, [2, 3])
    rows = TensorDict({"obs": nested, "reward": torch.zeros(2, 3)}, [2, 3])
    check_rollout(env, rows, rows[:, 0])
    nested["arm"][1, 2, 0] = -torch.inf
    with pytest.raises(FloatingPointError, match="gave the observation arm -inf in environment 5;"):
        check_rollout(env, rows, rows[:, 0])
    nested["arm"][1, 2, 0] = 3e38
    check_rollout(env, rows, rows[:, 0])
