"""SAC learns what needs a memory: to go where it was shown, and to recall."""

import functools
import math
import statistics

import pytest
import torch
from gymnasium import spaces
from sac_cases import make_sac

from engram import envs, memory_cores
from engram.envs.popgym.pendulum import PositionOnlyPendulum


class GoTo(PositionOnlyPendulum):
    """Shows a number between -1 and 1 once; the best action, from then on, is that number."""

    def __init__(self, num_envs, length=6):
        super().__init__(num_envs, max_episode_length=length)
        self.single_observation_space = spaces.Box(-1.0, 1.0, (2,))

    def advance(self, task, time, action):
        wanted = task["theta"] / math.pi
        reward = 1 - (action.squeeze(1) / 2 - wanted).abs()
        truncated = time + 1 >= self.max_episode_length
        return task, reward.float(), torch.zeros_like(truncated), truncated

    def observe(self, task, time):
        is_first = (time == 0).float()
        return torch.stack([is_first, is_first * task["theta"].float() / math.pi], dim=1)


def best_return(tmp_path, make_env, length, aim, most_steps, core="gru", **options):
    """Train until an evaluation reaches an aim, or for so many steps; returns the best evaluation per row."""
    env = make_env(8)
    sizes = {"head_hidden_sizes": (32, 32), "policy_gain": 0.01} | options.pop("network", {})
    core = functools.partial({"gru": memory_cores.GRU, "mlp": memory_cores.MLP}[core], hidden_size=32)
    settings = {"batch_length": 16, "burn_in": 4, "batch_size": 16, "train_ratio": 32.0, "rollout_length": 16}
    replay = {"prefill": 500, "capacity_bytes": 20_000_000, "prefill_policy": "random"}
    agent = make_sac(
        env, core, network=sizes, replay=replay, learning_rate=3e-3, gamma=0.5, **settings | options
    )
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(8))
    agent.open_files(tmp_path, driver.row, is_new=True)
    best, due = -math.inf, 0
    while driver.env_steps < most_steps and best < aim:
        steps = driver.env_steps
        agent.learn(driver.collect(agent.policy(steps), 16), steps)
        if driver.env_steps >= due:
            due += 1000
            act = functools.partial(agent.act, deterministic=True)
            result = envs.evaluate(make_env(20), act, agent.initial_carry(20), 20, 1)
            best = max(best, statistics.fmean(result.returns) / length)
    return best


@pytest.mark.slow
@pytest.mark.parametrize("separate", [True, False])
def test_learns_to_go_where_it_was_shown(tmp_path, separate):
    network = {"separate_critic_core": separate}
    assert best_return(tmp_path, GoTo, 6, 0.85, 20_000, network=network, initial_temperature=0.1) >= 0.85


@pytest.mark.slow
def test_without_memory_it_cannot(tmp_path):
    assert best_return(tmp_path, GoTo, 6, 0.75, 6_000, core="mlp", initial_temperature=0.1) < 0.75


@pytest.mark.slow
def test_learns_to_recall(tmp_path):
    make_env = functools.partial(envs.RecallFirst, delay=4)
    assert best_return(tmp_path, make_env, 1, 0.8, 40_000, initial_temperature=0.1) >= 0.8
