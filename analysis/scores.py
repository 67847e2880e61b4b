"""The scores of single runs: the highest mean return (MMER), the area under the curve, the last evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engram.analysis.groups import Placed
from engram.analysis.metrics import EVALUATION, SECONDS, STEPS
from engram.analysis.statistics import Series, area, average_epochs
from engram.analysis.statistics.curves import common_range
from engram.envs.table import TASKS

SCORES = ("mmer", "area", "final_evaluation")


@dataclass(frozen=True)
class Scored:
    """A run with its curve and scores.

    Attributes:
        placed: the run, its task and its group.
        steps: its curve against environment steps.
        seconds: its curve against wall-clock; None where the metrics do not tell.
        scores: by name of `SCORES`; None where there is none.
    """

    placed: Placed
    steps: Series
    seconds: Series | None
    scores: Mapping[str, float | None]


def score_task(runs: Sequence[Placed], key: str, epoch: float) -> tuple[list[Scored], tuple[float, float]]:
    """Score the runs of one task, all over the same environment steps.

    Args:
        runs: of one task.
        key: the metric that curves are made of.
        epoch: environment steps over which training returns are averaged.

    Returns:
        The runs, and the range of environment steps that all of them cover.
    """
    curves = [make_curve(one, key, epoch, STEPS) for one in runs]
    start, end = common_range(curves)
    end = max(start, end)
    scored = []
    for one, curve in zip(runs, curves, strict=True):
        evaluation, _ = one.run.series(EVALUATION)
        reached = evaluation.y[evaluation.x <= end]
        scores = {
            "mmer": float(curve.y[curve.x <= end].max()),
            "area": area(curve, start, end),
            "final_evaluation": float(reached[-1]) if len(reached) else None,
        }
        seconds = None if one.run.seconds is None else make_curve(one, key, epoch, SECONDS)
        scored.append(Scored(one, curve, seconds, scores))
    return scored, (start, end)


def make_curve(one: Placed, key: str, epoch: float, x: str) -> Series:
    """A run's curve; evaluations are means over many episodes already, and are left as they are."""
    series, ticks = one.run.series(key, x)
    return series if key == EVALUATION else average_epochs(series, ticks, epoch)


def has_scale(task: str, bounds: Mapping[str, Sequence[float]]) -> bool:
    """Whether a task's returns have a common scale with other tasks'."""
    name = task.partition(" ")[0]  # without options that tell tasks of one name apart
    return task in bounds or (name in TASKS and TASKS[name].is_scaled)


def rescale(task: str, returns: np.ndarray, bounds: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Returns as scores that can be compared between tasks.

    Args:
        task: its name.
        returns: of any shape.
        bounds: return that scores 0 and return that scores 1, by task; others keep their returns.
    """
    if task not in bounds:
        return returns
    low, high = bounds[task]
    return (returns - low) / (high - low)
