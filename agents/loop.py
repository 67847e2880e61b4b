"""The on-policy training loop: collect, learn, log, evaluate, save."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any, Protocol

from agents.base import Agent, Rollout
from agents.schedule import Hooks, Metrics, Progress, Schedule


class Driver(Protocol):
    """What a loop needs of the environments' driver."""

    env_steps: int

    def collect(self, act: Callable[..., Any], rollout_length: int) -> Rollout: ...  # noqa: D102


def train_on_policy(
    agent: Agent, driver: Driver, hooks: Hooks, progress: Progress, schedule: Schedule
) -> None:
    """Train until the budget is spent or the task is solved.

    Args:
        agent: acts and learns.
        driver: steps the environments.
        hooks: logging, evaluation, checkpoints.
        progress: changed in place.
        schedule: when these are due.
    """
    # One and the same for all rollouts: a driver may record it.
    act = functools.partial(agent.act, donate=True)
    while not schedule.is_over(driver.env_steps, progress):
        before = driver.env_steps
        metrics = _iterate(agent, driver, act)
        schedule.finish_iteration(metrics.copy, hooks, progress, before, driver.env_steps)


def _iterate(agent: Agent, driver: Driver, act: Callable[..., Any]) -> Metrics:
    """Collect one rollout and learn from it; returns the metrics of both."""
    start, steps_before = time.perf_counter(), driver.env_steps
    rollout = driver.collect(act, agent.rollout_length)
    collected = time.perf_counter()
    losses = agent.update(rollout, driver.env_steps)
    end = time.perf_counter()
    metrics = {f"losses/{name}": value for name, value in losses.items()}
    if rollout.episode_returns:
        metrics["charts/episodic_return"] = statistics.fmean(rollout.episode_returns)
        metrics["charts/episodic_length"] = statistics.fmean(rollout.episode_lengths)
    metrics["charts/SPS"] = (driver.env_steps - steps_before) / (end - start)
    metrics["time/collect_seconds"] = collected - start
    metrics["time/update_seconds"] = end - collected
    return metrics
