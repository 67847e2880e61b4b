"""The training loop: collect, learn, log, evaluate, save."""

from __future__ import annotations

import time
from typing import Protocol

from engram.agents.trainable import Trainable
from engram.common.rows import Act, Rollout
from engram.run_files.progress import Progress
from engram.training.record import Record
from engram.training.schedule import Hooks, Schedule


class Driver(Protocol):
    """What a loop needs of the environments' driver."""

    env_steps: int

    def collect(self, act: Act, rollout_length: int) -> Rollout: ...  # noqa: D102


def train(
    agent: Trainable,
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
        hooks: logging, evaluation, checkpoints. A checkpoint `latest` must hold `record.state_dict()` and
            `agent.run_state()`, and be followed by `agent.mark_saved()`.
        progress: changed in place.
        schedule: when these are due. A checkpoint is also due when the agent needs one.
        record: what waits for the next log line. Default: nothing.

    Returns:
        Whether it has come to its end; otherwise `hooks.should_stop` asked it to stop, and it has saved.
    """
    record = Record(driver.env_steps) if record is None else record
    before, rollout = progress.unfinished_from, None
    while before is not None or not schedule.is_over(driver.env_steps, progress):
        if before is None:
            hooks.before_rollout()
            before, start = driver.env_steps, time.perf_counter()
            rollout = driver.collect(agent.policy(before), agent.rollout_length)
            record.add_rollout(rollout, time.perf_counter() - start)
            hooks.on_rollout(rollout)
        if not _learn(agent, rollout, before, driver.env_steps, hooks, progress, schedule, record):
            return False
        before = rollout = None
    return True


def _learn(
    agent: Trainable,
    rollout: Rollout | None,
    before: int,
    env_steps: int,
    hooks: Hooks,
    progress: Progress,
    schedule: Schedule,
    record: Record,
) -> bool:
    """Learn from a rollout as often as is due, then do what else is; returns whether to go on.

    There may be minutes of updates in one iteration, so a checkpoint may come between any two of them.

    Args:
        agent: learns.
        rollout: None if the run was saved within the iteration, after the agent took it in.
        before: environment steps before the iteration.
        env_steps: environment steps now.
        hooks: logging, evaluation, checkpoints.
        progress: changed in place.
        schedule: when these are due.
        record: what waits for the next log line.
    """
    start = time.perf_counter()
    updates = agent.updates(rollout, before)
    for number, metrics in enumerate(updates, start=1):
        hooks.on_update(record.add_update(metrics, time.perf_counter() - start))
        if number < len(updates) and not schedule.save_within_iteration(hooks, progress, before):
            return False
        start = time.perf_counter()
    return schedule.finish_iteration(agent, record, hooks, progress, before, env_steps)
