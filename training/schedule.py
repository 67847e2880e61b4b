"""What a training loop does beside learning, and when: logging, evaluation, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from engram.agents.trainable import Trainable
from engram.common.rows import Rollout
from engram.run_files.progress import Progress
from engram.training.record import Metrics, Record


def never() -> bool:
    """Say no."""
    return False


def nothing() -> None:
    """Do nothing."""


def ignore(_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Hooks:
    """What happens beside learning.

    Attributes:
        log: write metrics.
        evaluate: play evaluation episodes; gives `eval/episodic_return` and more, or None if it was cut short
            because the run is asked to stop.
        save: write a checkpoint under a name (`latest`, `best`, `step-…`).
        log_media: write pictures and films by name.
        should_stop: whether the run is asked to stop.
        is_checkpoint_due: whether it is time for a checkpoint by the clock.
        before_rollout: called before every rollout.
        on_rollout: told of every rollout.
        on_update: told of every update's metrics.
        on_evaluation: told of every evaluation's metrics.
    """

    log: Callable[[Metrics], None]
    evaluate: Callable[[int], Metrics | None]
    save: Callable[[str], None]
    log_media: Callable[[Mapping[str, Tensor]], None]
    should_stop: Callable[[], bool] = never
    is_checkpoint_due: Callable[[], bool] = never
    before_rollout: Callable[[], None] = nothing
    on_rollout: Callable[[Rollout], None] = ignore
    on_update: Callable[[Metrics], None] = ignore
    on_evaluation: Callable[[Metrics], None] = ignore


@dataclass(frozen=True)
class Schedule:
    """When things are due: at multiples of environment steps, and at the end.

    Everything due at a multiple happens after the first iteration that passes it, so that a continued run
    does the same as an uninterrupted one.

    Args:
        total_env_steps: budget in real transitions.
        evaluation_interval: steps between evaluations; None never evaluates.
        checkpoint_interval: steps between `latest` checkpoints; the end always has one.
        keep_interval: steps between checkpoints that are kept; None keeps none.
        stop_at_return: stop once an evaluation's mean return is at least this.
    """

    total_env_steps: int
    evaluation_interval: int | None
    checkpoint_interval: int
    keep_interval: int | None = None
    stop_at_return: float | None = None

    def is_over(self, env_steps: int, progress: Progress) -> bool:
        """Tell whether the budget is spent or the task solved."""
        return env_steps >= self.total_env_steps or progress.solved

    def is_due(self, interval: int | None, before: int, env_steps: int) -> bool:
        """Tell whether an iteration from `before` to `env_steps` passed a multiple of `interval`, or the end."""
        return interval is not None and (
            env_steps >= self.total_env_steps or passes(interval, before, env_steps)
        )

    def evaluate(self, hooks: Hooks, progress: Progress, env_steps: int) -> tuple[Metrics | None, bool]:
        """Evaluate and note the outcome in `progress`; returns metrics and whether they are the best so far."""
        metrics = hooks.evaluate(env_steps)
        if metrics is None:
            return None, False
        progress.last_return = metrics["eval/episodic_return"]
        is_best = progress.best_return is None or progress.last_return > progress.best_return
        if is_best:
            progress.best_return = progress.last_return
        progress.solved = self.stop_at_return is not None and progress.last_return >= self.stop_at_return
        hooks.on_evaluation(metrics)
        return metrics, is_best

    def save_within_iteration(self, hooks: Hooks, progress: Progress, before: int) -> bool:
        """Save in the middle of an iteration if that is asked for; returns whether to go on.

        Args:
            hooks: what to do.
            progress: changed in place.
            before: environment steps before the iteration.
        """
        stops = hooks.should_stop()
        if stops or hooks.is_checkpoint_due():
            progress.unfinished_from = before
            hooks.save("latest")
        return not stops

    def finish_iteration(
        self,
        agent: Trainable,
        record: Record,
        hooks: Hooks,
        progress: Progress,
        before: int,
        env_steps: int,
    ) -> bool:
        """Do what an iteration from `before` to `env_steps` has made due.

        A checkpoint changes nothing else: metrics that wait for their line are part of it.

        Args:
            agent: says how often it has a log line, what it draws at an evaluation, and when it must be saved.
            record: metrics since the last log line.
            hooks: what to do.
            progress: changed in place.
            before: environment steps before the iteration.
            env_steps: environment steps after it.

        Returns:
            Whether to go on; if not, `latest` is on disk.
        """
        evaluation: Metrics | None = {}
        is_best = False
        if self.is_due(self.evaluation_interval, before, env_steps):
            evaluation, is_best = self.evaluate(hooks, progress, env_steps)
            if evaluation is None:
                progress.unfinished_from = before
                hooks.save("latest")
                return False
            if pictures := agent.pictures():
                hooks.log_media(pictures)
        progress.unfinished_from = None
        interval = agent.log_interval
        if evaluation or interval is None or self.is_due(interval, before, env_steps):
            metrics = record.take(env_steps) | (evaluation or {})
            hooks.log(metrics)
        if is_best:
            hooks.save("best")
        if self.keep_interval is not None and passes(self.keep_interval, before, env_steps):
            hooks.save(f"step-{env_steps:012d}")
        is_over = self.is_over(env_steps, progress)
        stops = hooks.should_stop() and not is_over
        saves = (
            agent.needs_checkpoint() or is_over or self.is_due(self.checkpoint_interval, before, env_steps)
        )
        if saves or stops or hooks.is_checkpoint_due():
            hooks.save("latest")
        return not stops


def passes(interval: int, before: int, env_steps: int) -> bool:
    """Tell whether a multiple of `interval` lies in (before, env_steps]."""
    return env_steps // interval > before // interval
