"""What is said of all tasks together: aggregates, performance profiles, probabilities of improvement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, zip_longest
from typing import Any

import numpy as np

from engram.analysis.scores import Scored, has_scale, rescale
from engram.analysis.settings import Settings, plain
from engram.analysis.statistics import (
    Estimate,
    interquartile_mean,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

AGGREGATES = {"iqm": interquartile_mean, "median": median, "mean": mean, "optimality_gap": optimality_gap}


def comparable_tasks(
    tasks: Mapping[str, Sequence[Scored]], groups: Sequence[str], settings: Settings
) -> tuple[list[str], list[str]]:
    """Find the tasks to aggregate over: those that every group has, on a common scale.

    Args:
        tasks: the runs of each.
        groups: all of them.
        settings: give the bounds of tasks.

    Returns:
        The tasks, and sentences about those left out.
    """
    complete = [task for task, ours in tasks.items() if {one.placed.group for one in ours} == set(groups)]
    kept = [task for task in complete if has_scale(task, settings)]
    notes: list[str] = []
    for task in tasks if len(tasks) > 1 else ():
        if task not in complete:
            lacking = sorted(set(groups) - {one.placed.group for one in tasks[task]})
            notes.append(f"{task} is left out of the aggregates over tasks: no runs of {', '.join(lacking)}.")
        elif task not in kept:
            notes.append(
                f"{task} is left out of the aggregates over tasks: its {settings.label} has no known bounds; "
                f"give bounds='{{{task}: [lowest, highest]}}'."
            )
    return kept, notes


def worth_aggregating(
    tasks: Mapping[str, Sequence[Scored]], comparable: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the tasks to aggregate over: none where it is a single one, or where no group has run any of them twice.

    Args:
        tasks: the runs of each.
        comparable: those of them that may be aggregated over.

    Returns:
        The tasks, and a sentence where single runs are why there are none.
    """
    if len(comparable) < 2:
        return [], []
    if all(len(tasks[task]) == len({one.placed.group for one in tasks[task]}) for task in comparable):
        return [], [
            "Every group has one run of a task: there are no aggregates over tasks; train several seeds."
        ]
    return list(comparable), []


def aggregate(
    tasks: Mapping[str, Sequence[Scored]], groups: Sequence[str], settings: Settings
) -> dict[str, Any]:
    """Compute aggregates, profiles and probabilities of improvement.

    Args:
        tasks: the runs of each task to aggregate over; every group has some; or no task.
        groups: all of them.
        settings: how.

    Returns:
        `aggregated_tasks`, `aggregates`, `profiles`, `improvement`; empty where there is nothing to say.
    """
    nothing: dict[str, Any] = {"aggregated_tasks": [], "aggregates": {}, "profiles": {}, "improvement": []}
    scores = {group: _score_array(tasks, group, settings) for group in groups} if tasks else {}
    if not scores or any(not np.isfinite(array).any(0).all() for array in scores.values()):
        return nothing  # a group has no score on some task
    names = [name for name in AGGREGATES if name != "optimality_gap" or _all_scaled(tasks, settings)]
    pooled = np.concatenate([array[np.isfinite(array)] for array in scores.values()])
    margin = 0.03 * float(np.ptp(pooled)) or 0.5
    thresholds = np.linspace(pooled.min() - margin, pooled.max() + margin, 107)
    profiles = {
        group: plain(
            settings.estimate(lambda values, draws: performance_profile(values, draws, thresholds), array)
        )
        for group, array in scores.items()
    }
    pairs = [_improvement(one, other, scores, settings) for one, other in combinations(groups, 2)]
    return {
        "aggregated_tasks": list(tasks),
        "aggregates": {
            group: {name: plain(settings.estimate(AGGREGATES[name], array)) for name in names}
            for group, array in scores.items()
        },
        "profiles": {"thresholds": thresholds.tolist(), "groups": profiles},
        "improvement": pairs,
    }


def _improvement(
    group: str, other: str, scores: Mapping[str, np.ndarray], settings: Settings
) -> dict[str, Any]:
    """The probability that one group improves on another, the likelier way round."""
    found = settings.estimate(probability_of_improvement, scores[group], scores[other])
    if found.value < 0.5:
        group, other = other, group
        low, high = (None if part is None else 1 - part for part in (found.high, found.low))
        found = Estimate(1 - found.value, low, high)
    return {"group": group, "other": other, **plain(found)}


def _all_scaled(tasks: Mapping[str, Any], settings: Settings) -> bool:
    return all(has_scale(task, settings) for task in tasks)


def _score_array(tasks: Mapping[str, Sequence[Scored]], group: str, settings: Settings) -> np.ndarray:
    """A group's scores [N, M], each column filled up with NaN at its end."""
    columns: list[Any] = []
    for task, ours in tasks.items():
        found = [one.scores[settings.score] for one in ours if one.placed.group == group]
        values = np.array([value for value in found if value is not None], float)
        columns.append(rescale(task, values, settings.bounds) if len(values) else [np.nan])
    return np.array(list(zip_longest(*columns, fillvalue=np.nan)))
