"""The on-policy training loop: collect, learn, log, evaluate, save."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

from engram.agents.base import Agent
from engram.common.rows import Rollout
from engram.run_files.progress import Progress
from engram.training.record import Record
from engram.training.schedule import Hooks, Schedule


class Driver(Protocol):
    """What a loop needs of the environments' driver."""

    env_steps: int

    def collect(self, act: Callable[..., Any], rollout_length: int) -> Rollout: ...  # noqa: D102


def train_on_policy(
    agent: Agent,
    driver: Driver,
    hooks: Hooks,
    progress: Progress,
    schedule: Schedule,
    record: Record | None = None,
) -> bool:
    """Train until the budget is spent, the task is solved, or the run is asked to stop.

    Args:
        agent: acts and learns.
        driver: steps the environments.
        hooks: logging, evaluation, checkpoints. A checkpoint `latest` must hold `record.state_dict()`.
        progress: changed in place.
        schedule: when these are due.
        record: what waits for the next log line. Default: nothing.

    Returns:
        Whether it has come to its end; otherwise `hooks.should_stop` asked it to stop, and it has saved.
    """
    # One and the same for all rollouts: a driver may record it.
    act = functools.partial(agent.act, donate=True)
    record = Record(driver.env_steps) if record is None else record
    finish = functools.partial(schedule.finish_iteration, record, hooks, progress)
    if progress.unfinished_from is not None and not finish(progress.unfinished_from, driver.env_steps):
        return False
    while not schedule.is_over(driver.env_steps, progress):
        before = driver.env_steps
        _iterate(agent, driver, act, record)
        if not finish(before, driver.env_steps):
            return False
    return True


def _iterate(agent: Agent, driver: Driver, act: Callable[..., Any], record: Record) -> None:
    """Collect one rollout and learn from it; the metrics of both go into the record."""
    start, before = time.perf_counter(), driver.env_steps
    rollout = driver.collect(act, agent.rollout_length)
    collected = time.perf_counter()
    record.add_rollout(rollout, collected - start)
    losses = agent.update(rollout, before)
    record.add_update(losses, time.perf_counter() - collected)
