"""Curves of groups: at every place the aggregate of the runs that have a value there, each to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engram.analysis.metrics import STEPS
from engram.analysis.scores import Scored, rescale
from engram.analysis.settings import STATISTICS, Settings
from engram.analysis.statistics import Estimate, Series, on_grid, stretches

ALL_TASKS = "all tasks"
Curves = dict[str, dict[str, Any]]


def make_curves(
    tasks: Mapping[str, Sequence[Scored]],
    shared: Sequence[str],
    groups: Sequence[str],
    settings: Settings,
    x: str,
) -> dict[str, Curves]:
    """Make the curves of every task and group, and of all tasks together in scores.

    Args:
        tasks: the runs of each.
        shared: the tasks to aggregate over.
        groups: all of them.
        settings: how.
        x: `env_steps` or `wall_clock`.

    Returns:
        By task and group `x`, `value`, `low`, `high` and `runs`, the number of runs behind each value. `low` and
        `high` are None where a single run leaves no interval. A group without a curve has None.
    """
    found: dict[str, Curves] = {}
    if len(shared) > 1:
        found[ALL_TASKS] = {
            group: _curve({task: _series(tasks[task], group, x) for task in shared}, settings, scaled=True)
            for group in groups
        }
    for task, ours in tasks.items():
        found[task] = {
            group: _curve({task: _series(ours, group, x)}, settings, scaled=False)
            for group in groups
            if any(one.placed.group == group for one in ours)
        }
    return found


def _series(ours: Sequence[Scored], group: str, x: str) -> list[Series | None]:
    return [one.steps if x == STEPS else one.seconds for one in ours if one.placed.group == group]


def _curve(tasks: Mapping[str, list[Series | None]], settings: Settings, scaled: bool) -> Any:
    """One group's curve, stretch by stretch; several tasks where each of them has a run. None where there is none."""
    owners = [(task, one) for task, ours in tasks.items() for one in ours]
    known = [one for _, one in owners if one is not None]
    if len(known) < len(owners):
        return None
    found = stretches(known)
    grid = _spread(found[0][0], found[-1][1], settings)
    curve: dict[str, list[Any]] = {key: [] for key in ("x", "value", "low", "high", "runs")}
    for start, end, members in found:
        by_task: dict[str, list[Series]] = {task: [] for task in tasks}
        for index in members:
            by_task[owners[index][0]].append(known[index])
        if not all(by_task.values()):
            continue
        if curve["x"] and start > curve["x"][-1]:
            _add(curve, [curve["x"][-1]], None, 0)  # a gap
        places = np.unique([start, *grid[(grid > start) & (grid < end)], end])
        _add(curve, places.tolist(), _estimate(by_task, places, settings, scaled), len(members))
    if not curve["x"]:
        return None
    return {key: None if all(value is None for value in values) else values for key, values in curve.items()}


def _spread(first: float, last: float, settings: Settings) -> np.ndarray:
    """Places between two, evenly on the axis; a logarithmic one begins above 0."""
    if settings.x_scale == "linear":
        return np.linspace(first, last, settings.points)
    return np.geomspace(first if first > 0 else last / 1000, last, settings.points)


def _add(curve: dict[str, list[Any]], places: list[float], found: Estimate | None, runs: int) -> None:
    """Add places to a curve, in place."""
    curve["x"] += places
    curve["runs"] += [runs] * len(places)
    for key in ("value", "low", "high"):
        values = None if found is None else getattr(found, key)
        curve[key] += [None] * len(places) if values is None else np.asarray(values).tolist()


def _estimate(
    tasks: Mapping[str, Sequence[Series]], places: np.ndarray, settings: Settings, scaled: bool
) -> Estimate:
    """The aggregate at some places, over runs that all have values there."""
    scores = np.full((max(map(len, tasks.values())), len(tasks), len(places)), np.nan)
    for column, (task, ours) in enumerate(tasks.items()):
        for row, one in enumerate(ours):
            values = on_grid(one, places)
            scores[row, column] = rescale(task, values, settings.bounds) if scaled else values
    return settings.estimate(STATISTICS[settings.aggregate], scores)
