"""The off-policy training loop: collect, store, learn from stored rows, log, evaluate, save."""

from __future__ import annotations

import functools
import statistics
import time
from collections import defaultdict

from agents.base import Rollout
from agents.loop import Driver
from agents.random_actions import RandomActions
from agents.replay import DrawsPictures, Replay, ReplayAgent
from agents.schedule import Hooks, Metrics, Progress, Schedule


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
    log_every: int | None = None,
) -> None:
    """Train until the budget is spent or the task is solved.

    After each collection the agent learns from as many batches as its `train_ratio` asks for by then. That
    number follows from the environment steps and the batches drawn so far, both of which a checkpoint
    holds, so a continued run owes nothing and repeats nothing.

    Args:
        agent: acts and learns.
        driver: steps the environments.
        replay: stores rows; draws batches of the agent's size.
        hooks: logging, evaluation, checkpoints. A checkpoint `latest` must hold `replay.state_dict()` and be
            followed by `replay.ring.mark_saved()`.
        progress: changed in place.
        schedule: when these are due. A checkpoint is also due when the replay needs one.
        prefill: environment steps before the first update.
        random_actions: acts until then. Default: the agent.
        log_every: steps between log lines, which hold the means since the line before. None logs every collection.
    """
    act = functools.partial(agent.act, donate=True)
    record = _Record(driver.env_steps)
    while not schedule.is_over(driver.env_steps, progress):
        before = driver.env_steps
        start = time.perf_counter()
        if random_actions is not None and before < prefill:
            rollout = driver.collect(random_actions.act_from(replay.num_rows), agent.rollout_length)
        else:
            rollout = driver.collect(act, agent.rollout_length)
        replay.extend(rollout.rows, rollout.carries)
        record.add_rollout(rollout, time.perf_counter() - start)
        for _ in range(num_updates_due(agent, replay.num_batches, driver.env_steps - prefill)):
            start = time.perf_counter()
            losses = agent.update(replay.sample(), driver.env_steps)
            record.add_update(losses, time.perf_counter() - start)
        if schedule.is_due(schedule.evaluate_every, before, driver.env_steps):
            _draw_pictures(agent, replay, hooks, driver.env_steps)
        schedule.finish_iteration(
            functools.partial(record.take, driver.env_steps),
            hooks,
            progress,
            before,
            driver.env_steps,
            log_every=log_every,
            must_save=replay.ring.needs_checkpoint(agent.rollout_length),
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


class _Record:
    """Metrics since the last log line.

    Args:
        env_steps: where the loop begins.
    """

    def __init__(self, env_steps: int) -> None:
        self._begin(env_steps)

    def _begin(self, env_steps: int) -> None:
        self._env_steps = env_steps
        self._losses: defaultdict[str, list[float]] = defaultdict(list)
        self._returns: list[float] = []
        self._lengths: list[int] = []
        self._collect_seconds = self._update_seconds = 0.0

    def add_rollout(self, rollout: Rollout, seconds: float) -> None:
        """Note the episodes that ended in a rollout."""
        self._returns += rollout.episode_returns
        self._lengths += rollout.episode_lengths
        self._collect_seconds += seconds

    def add_update(self, losses: Metrics, seconds: float) -> None:
        """Note the outcome of one update."""
        for name, value in losses.items():
            self._losses[name].append(value)
        self._update_seconds += seconds

    def take(self, env_steps: int) -> Metrics:
        """Return the means and begin anew at `env_steps`."""
        metrics = {f"losses/{name}": statistics.fmean(values) for name, values in self._losses.items()}
        if self._returns:
            metrics["charts/episodic_return"] = statistics.fmean(self._returns)
            metrics["charts/episodic_length"] = statistics.fmean(self._lengths)
        seconds = self._collect_seconds + self._update_seconds
        metrics["charts/SPS"] = (env_steps - self._env_steps) / seconds
        metrics["time/collect_seconds"] = self._collect_seconds
        metrics["time/update_seconds"] = self._update_seconds
        self._begin(env_steps)
        return metrics
