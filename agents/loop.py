"""The on-policy training loop: collect, learn, log, evaluate, save."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agents.base import Agent, Rollout

Metrics = dict[str, float]


class Driver(Protocol):
    """What the loop needs of the environments' driver."""

    env_steps: int

    def collect(self, act: Callable[..., Any], rollout_length: int) -> Rollout: ...  # noqa: D102


@dataclass
class Progress:
    """How far a run has come beyond what agent and driver know themselves.

    Attributes:
        best_return: highest mean return of an evaluation so far.
        last_return: mean return of the last evaluation.
        solved: an evaluation reached the return at which the run was to stop.
    """

    best_return: float | None = None
    last_return: float | None = None
    solved: bool = False


@dataclass(frozen=True)
class Hooks:
    """What happens beside learning; each is called with the number of environment steps.

    Attributes:
        log: write metrics.
        evaluate: play evaluation episodes; gives `eval/episodic_return` and more.
        save: write a checkpoint under a name (`latest`, `best`, `step-…`).
        report: tell a person how far it is.
    """

    log: Callable[[Metrics, int], None]
    evaluate: Callable[[int], Metrics]
    save: Callable[[str, int], None]
    report: Callable[[Metrics, int], None]


def train_on_policy(
    agent: Agent,
    driver: Driver,
    hooks: Hooks,
    progress: Progress,
    *,
    total_env_steps: int,
    evaluate_every: int | None,
    save_every: int,
    keep_every: int | None = None,
    stop_at_return: float | None = None,
) -> None:
    """Train until the budget is spent or the task is solved.

    Everything due at a multiple of steps happens after the first rollout that passes it, so that a
    continued run does the same as an uninterrupted one.

    Args:
        agent: acts and learns.
        driver: steps the environments.
        hooks: logging, evaluation, checkpoints.
        progress: changed in place.
        total_env_steps: budget in real transitions.
        evaluate_every: steps between evaluations; None never evaluates.
        save_every: steps between `latest` checkpoints; the end always has one.
        keep_every: steps between checkpoints that are kept; None keeps none.
        stop_at_return: stop once an evaluation's mean return is at least this.
    """
    act = functools.partial(
        agent.act, donate=True
    )  # one and the same for all rollouts: a driver may record it
    while driver.env_steps < total_env_steps and not progress.solved:
        before = driver.env_steps
        metrics = _iterate(agent, driver, act)
        steps = driver.env_steps
        finished = steps >= total_env_steps

        def due(
            every: int | None, before: int = before, steps: int = steps, finished: bool = finished
        ) -> bool:
            return every is not None and (finished or steps // every > before // every)

        is_best = False
        if due(evaluate_every):
            metrics |= hooks.evaluate(steps)
            progress.last_return = metrics["eval/episodic_return"]
            is_best = progress.best_return is None or progress.last_return > progress.best_return
            if is_best:
                progress.best_return = progress.last_return
            progress.solved = stop_at_return is not None and progress.last_return >= stop_at_return
        hooks.log(metrics, steps)
        hooks.report(metrics, steps)
        if is_best:
            hooks.save("best", steps)
        if keep_every is not None and steps // keep_every > before // keep_every:
            hooks.save(f"step-{steps:012d}", steps)
        if due(save_every) or progress.solved:
            hooks.save("latest", steps)


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
