"""The scores of single runs: the highest mean return (MMER), the area under the curve, the last evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engram.analysis.groups import Placed
from engram.analysis.metrics import SECONDS, STEPS
from engram.analysis.settings import Settings
from engram.analysis.statistics import Series, area, average_epochs
from engram.analysis.statistics.curves import common_range
from engram.common.metric_names import RETURN, SUCCESS_RATE, evaluation_key
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


def score_task(
    runs: Sequence[Placed], settings: Settings, epoch: float
) -> tuple[list[Scored], tuple[float, float]]:
    """Score the runs of one task, all over the same environment steps.

    Args:
        runs: of one task.
        settings: name the metric that curves are made of.
        epoch: environment steps over which what is measured in training is averaged.

    Returns:
        The runs, and the range of environment steps that all of them cover.
    """
    key = settings.key
    curves = [make_curve(one, key, epoch, STEPS) for one in runs]
    start, end = common_range(curves)
    end = max(start, end)
    scored = []
    for one, curve in zip(runs, curves, strict=True):
        evaluation, _ = one.run.series(settings.evaluation_key)
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
    return series if key.startswith(evaluation_key("")) else average_epochs(series, ticks, epoch)


def has_scale(task: str, settings: Settings) -> bool:
    """Whether what is measured on a task has a common scale with other tasks."""
    if task in settings.bounds or settings.name == SUCCESS_RATE:
        return True
    name = task.partition(" ")[0]  # without options that tell tasks of one name apart
    return settings.name == RETURN and name in TASKS and TASKS[name].is_scaled


def rescale(task: str, values: np.ndarray, bounds: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Values as scores that can be compared between tasks.

    Args:
        task: its name.
        values: of any shape.
        bounds: value that scores 0 and value that scores 1, by task; others keep their values.
    """
    if task not in bounds:
        return values
    low, high = bounds[task]
    return (values - low) / (high - low)
