"""The off-policy training loop: collect, store, learn from stored rows, log, evaluate, save."""

from __future__ import annotations

import functools
import time

from engram.agents.replay import DrawsPictures, Replay, ReplayAgent
from engram.agents.replay.random_actions import RandomActions
from engram.run_files.progress import Progress
from engram.training.loop import Driver
from engram.training.record import Record
from engram.training.schedule import Hooks, Schedule


def train_off_policy(
    agent: ReplayAgent,
    driver: Driver,
    replay: Replay,
    hooks: Hooks,
    progress: Progress,
    schedule: Schedule,
    *,
    prefill: int,
    random_actions: RandomActions | None = None,
    log_interval: int | None = None,
    record: Record | None = None,
) -> bool:
    """Train until the budget is spent, the task is solved, or the run is asked to stop.

    After each collection the agent learns from as many batches as its `train_ratio` asks for by then. That
    number follows from the environment steps and the batches drawn so far, both of which a checkpoint
    holds, so a continued run owes nothing and repeats nothing.

    Args:
        agent: acts and learns.
        driver: steps the environments.
        replay: stores rows; draws batches of the agent's size.
        hooks: logging, evaluation, checkpoints. A checkpoint `latest` must hold `replay.state_dict()` and
            `record.state_dict()`, and be followed by `replay.ring.mark_saved()`.
        progress: changed in place.
        schedule: when these are due. A checkpoint is also due when the replay needs one.
        prefill: environment steps before the first update.
        random_actions: acts until then. Default: the agent.
        log_interval: steps between log lines, which hold the means since the line before. None logs every collection.
        record: what waits for the next line. Default: nothing.

    Returns:
        Whether it has come to its end; otherwise `hooks.should_stop` asked it to stop, and it has saved.
    """
    act = functools.partial(agent.act, donate=True)
    record = Record(driver.env_steps) if record is None else record
    learn = functools.partial(
        _learn,
        agent,
        driver,
        replay,
        hooks,
        progress,
        schedule,
        record,
        prefill=prefill,
        log_interval=log_interval,
    )
    if progress.unfinished_from is not None and not learn(progress.unfinished_from):
        return False
    while not schedule.is_over(driver.env_steps, progress):
        before = driver.env_steps
        start = time.perf_counter()
        if random_actions is not None and before < prefill:
            rollout = driver.collect(random_actions.act_from(replay.num_rows), agent.rollout_length)
        else:
            rollout = driver.collect(act, agent.rollout_length)
        replay.extend(rollout.rows, rollout.carries)
        record.add_rollout(rollout, time.perf_counter() - start)
        if not learn(before):
            return False
    return True


def _learn(
    agent: ReplayAgent,
    driver: Driver,
    replay: Replay,
    hooks: Hooks,
    progress: Progress,
    schedule: Schedule,
    record: Record,
    before: int,
    *,
    prefill: int,
    log_interval: int | None,
) -> bool:
    """Learn as often as is due, then do what else is; arguments as of `train_off_policy`.

    There may be minutes of updates in one iteration, so a checkpoint may come between any two of them.

    Args:
        agent: learns.
        driver: has collected.
        replay: holds what was collected.
        hooks: logging, evaluation, checkpoints.
        progress: changed in place.
        schedule: when these are due.
        record: what waits for the next log line.
        before: environment steps before the iteration.
        prefill: environment steps before the first update.
        log_interval: steps between log lines.

    Returns:
        Whether to go on.
    """
    for _ in range(num_updates_due(agent, replay.num_batches, driver.env_steps - prefill)):
        if not schedule.save_within_iteration(hooks, progress, before, driver.env_steps):
            return False
        start = time.perf_counter()
        losses = agent.update(replay.sample(), before)
        record.add_update(losses, time.perf_counter() - start)
    return schedule.finish_iteration(
        record,
        hooks,
        progress,
        before,
        driver.env_steps,
        log_interval=log_interval,
        must_save=replay.ring.needs_checkpoint(agent.rollout_length),
        draw=functools.partial(_draw_pictures, agent, replay, hooks),
    )


def num_updates_due(agent: ReplayAgent, num_batches: int, env_steps: int) -> int:
    """Count the updates that the train ratio asks for.

    Args:
        agent: gives `train_ratio` and the size of a batch.
        num_batches: learned from so far.
        env_steps: since the end of the prefill; negative during it.
    """
    rows_per_batch = agent.batch_size * agent.batch_length
    return max(0, int(max(0, env_steps) * agent.train_ratio / rows_per_batch) - num_batches)


def _draw_pictures(agent: ReplayAgent, replay: Replay, hooks: Hooks, env_steps: int) -> None:
    """Let an agent that can show something do so, on a batch it does not learn from."""
    if isinstance(agent, DrawsPictures) and replay.num_rows >= replay.window_length:
        hooks.log_media(agent.pictures(replay.preview()), env_steps)
