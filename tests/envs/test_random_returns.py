"""Random play is worth the same, and lasts as long, in the package's and in the native version."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from contract import play_out

from engram.common.actions import action_layout
from engram.envs import TASKS, make_env
from engram.envs.make import make_gymnasium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Maze environments:DeprecationWarning"),
]
EPISODES = 1000
NAMES = [name for name, task in TASKS.items() if task.package and task.chance_return is not None]
# Of all tests together one in a thousand may fail by chance: two of every task.
LIMIT = NormalDist().inv_cdf(1 - 0.001 / (2 * 2 * len(NAMES)))


def uniform_actions(space, count: int, generator: torch.Generator) -> torch.Tensor:
    """Actions uniform over the space, [count, ...]."""
    shape, dtype = action_layout(space)
    draws = torch.rand(count, *shape, generator=generator, dtype=torch.float64)
    if dtype.is_floating_point:
        return (torch.as_tensor(space.low) + draws * torch.as_tensor(space.high - space.low)).to(dtype)
    return (draws * torch.as_tensor(space.nvec if shape else space.n)).long()


def native_episodes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns and lengths of the first episode of every environment."""
    env = make_env(name, EPISODES, backend="native")
    env.shows_pixels = False  # of Memory Gym
    env.reset(17)
    total, length = play_out(
        env, 6, lambda env, generator: uniform_actions(env.single_action_space, EPISODES, generator)
    )
    return total.numpy(), length.numpy()


def package_episodes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The same of the package."""
    for package in TASKS[name].package.needs:
        pytest.importorskip(package)
    env = make_gymnasium(TASKS[name].package.id)
    if hasattr(
        env.unwrapped, "gen_obs"
    ):  # MiniGrid: most of a step's time goes into what nobody looks at here
        env = env.unwrapped
        env.gen_obs = dict
    generator = torch.Generator().manual_seed(7)
    space, results, buffer = env.action_space, [], iter(())
    for episode in range(EPISODES):
        env.reset(seed=23 if episode == 0 else None)
        total, length, done = 0.0, 0, False
        while not done:
            action = next(buffer, None)
            if action is None:
                buffer = iter(uniform_actions(space, 10_000, generator).numpy())
                action = next(buffer)
            _, reward, terminated, truncated, _ = env.step(action)
            total, length, done = total + float(reward), length + 1, terminated or truncated
        results.append((total, length))
    returns, lengths = zip(*results, strict=True)
    return np.array(returns), np.array(lengths, dtype=np.float64)


def welch(one: np.ndarray, other: np.ndarray) -> float:
    """Welch's statistic of two means; 0 if both sides hold one and the same value only."""
    error = math.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
    difference = one.mean() - other.mean()
    return difference / error if error > 1e-9 else (0.0 if abs(difference) < 1e-6 else math.inf)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_random_play(name: str) -> None:
    returns, _ = native_episodes(name)
    error = math.sqrt(returns.var(ddof=1) / EPISODES)
    # The table's own error, of 2,000 episodes or 300, and its rounding.
    assert abs(returns.mean() - TASKS[name].chance_return) < 0.001 + LIMIT * 2.1 * error


@pytest.mark.parametrize("name", NAMES)
def test_random_play_is_worth_the_same(name: str) -> None:
    for ours, theirs in zip(native_episodes(name), package_episodes(name), strict=True):
        assert abs(welch(ours, theirs)) < LIMIT, (ours.mean(), theirs.mean())
