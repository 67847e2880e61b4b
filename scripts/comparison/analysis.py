"""Everything a comparison says, as one document of plain values: the report, the figures and the files show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from scripts.comparison.groups import Placed, drop_repetitions, place_runs
from scripts.comparison.notes import task_notes, version_notes
from scripts.comparison.runs import EVALUATION, SECONDS, STEPS, TRAINING, Run, Skipped
from scripts.comparison.scores import SCORES, Scored, has_scale, rescale, score_task
from scripts.errors import UsageError
from scripts.statistics import (
    Estimate,
    Series,
    estimate,
    interquartile_mean,
    mean,
    median,
    on_grid,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from scripts.statistics.curves import common_range

ALL_TASKS = "all tasks"
METRICS = {"mean": mean, "iqm": interquartile_mean}
KEYS = {"training": TRAINING, "evaluation": EVALUATION}
AGGREGATES = {"iqm": interquartile_mean, "median": median, "mean": mean, "optimality_gap": optimality_gap}
_EPOCHS = 100


@dataclass(frozen=True)
class Settings:
    """How to compare; the options of the command.

    Attributes:
        group: `agent`, `core` or keys of the configuration.
        metric: `mean` or `iqm`, for curves and tables.
        returns: `training` or `evaluation`.
        score: one of `SCORES`, for aggregates, profiles and probabilities.
        epoch_env_steps: over which training returns are averaged; None: a hundredth of the longest run.
        points: of a curve.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the bootstrap.
        bounds: returns that score 0 and 1, by task.
    """

    group: Sequence[str] = ("agent", "core")
    metric: str = "mean"
    returns: str = "training"
    score: str = "mmer"
    epoch_env_steps: float | None = None
    points: int = 100
    resamples: int = 10_000
    confidence: float = 0.95
    seed: int = 0
    bounds: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def estimate(self, statistic: Any, *samples: np.ndarray) -> Estimate:
        """An aggregate with its interval."""
        return estimate(
            statistic,
            *samples,
            resamples=self.resamples,
            confidence=self.confidence,
            seed=self.seed,
        )


def compare(runs: Sequence[Run], skipped: Sequence[Skipped], settings: Settings) -> dict[str, Any]:
    """Compare runs.

    Args:
        runs: those that could be read.
        skipped: those that could not.
        settings: how.

    Returns:
        The document: `skipped`, `notes`, `groups`, `tasks`, `runs`, `table`, `curves`, `aggregates`,
        `profiles`, `improvement`, `settings`.

    Raises:
        UsageError: if nothing is left to compare.
    """
    key = KEYS[settings.returns]
    usable = [run for run in runs if len(run.series(key)[0].x)]
    left_out = [Skipped(run.name, f"no {key} in its metrics") for run in runs if run not in usable]
    if not usable:
        first = (*skipped, *left_out)[0]
        raise UsageError(
            f"runs must name at least one complete run, but none of {len(runs) + len(skipped)} is "
            f"(the first, {first.name}: {first.reason}); give other folders, or returns=training."
        )
    placed, repeated = drop_repetitions(place_runs(usable, settings.group))
    tasks, ranges, notes = {}, {}, []
    for task in sorted({one.task for one in placed}):
        ours = [one for one in placed if one.task == task]
        tasks[task], ranges[task] = score_task(ours, key, settings.epoch_env_steps or _epoch(ours))
        notes += task_notes(task, tasks[task], ranges[task][1])
    groups = sorted({one.group for one in placed})
    shared, shared_notes = _comparable_tasks(tasks, groups, settings)
    scored = [one for ours in tasks.values() for one in ours]
    notes += version_notes([one.placed.run for one in scored])
    return {
        "settings": {**vars(settings), "bounds": dict(settings.bounds), "group": list(settings.group)},
        "skipped": [vars(one) for one in (*skipped, *left_out, *repeated)],
        "notes": notes + shared_notes,
        "groups": groups,
        "tasks": [{"name": task, "start": r[0], "end": r[1]} for task, r in ranges.items()],
        "runs": [_describe(one) for one in scored],
        "table": _table(tasks, groups, settings),
        "curves": {x: _curves(tasks, shared, groups, settings, x) for x in (STEPS, SECONDS)},
        **_aggregate({task: tasks[task] for task in shared}, groups, settings),
    }


def _epoch(placed: Sequence[Placed]) -> float:
    return max(float(one.run.steps[-1]) for one in placed) / _EPOCHS


def _comparable_tasks(
    tasks: Mapping[str, Sequence[Scored]], groups: Sequence[str], settings: Settings
) -> tuple[list[str], list[str]]:
    """The tasks to aggregate over: those that every group has, on a common scale; and what was left out."""
    complete = [task for task, ours in tasks.items() if {one.placed.group for one in ours} == set(groups)]
    kept = [task for task in complete if len(tasks) == 1 or has_scale(task, settings.bounds)]
    notes = []
    for task in tasks:
        if task not in complete:
            lacking = sorted(set(groups) - {one.placed.group for one in tasks[task]})
            notes.append(f"{task} is left out of the aggregates over tasks: no runs of {', '.join(lacking)}.")
        elif task not in kept:
            notes.append(
                f"{task} is left out of the aggregates over tasks: its returns have no known bounds; "
                f"give bounds='{{{task}: [lowest, highest]}}'."
            )
    return kept, notes


def _describe(one: Scored) -> dict[str, Any]:
    run = one.placed.run
    return {
        "group": one.placed.group,
        "agent": one.placed.agent,
        "core": one.placed.core,
        "task": one.placed.task,
        "seed": run.seed,
        "env_steps": int(run.steps[-1]),
        "seconds": None if run.seconds is None else float(run.seconds[-1]),
        "solved": run.solved,
        **one.scores,
        "device": run.versions.get("device", "unknown"),
        "git_commit": run.versions.get("git_commit", "unknown"),
        "folder": run.name,
    }


def _table(
    tasks: Mapping[str, Sequence[Scored]], groups: Sequence[str], settings: Settings
) -> list[dict[str, Any]]:
    """A row for every task and group: its scores in returns, with intervals and standard deviations."""
    rows = []
    for task, ours in tasks.items():
        for group in groups:
            members = [one for one in ours if one.placed.group == group]
            if not members:
                continue
            row: dict[str, Any] = {"task": task, "group": group, "seeds": len(members)}
            for name in SCORES:
                values = np.array([one.scores[name] for one in members], float)
                row[name] = None
                if not np.isnan(values).any():
                    found = plain(settings.estimate(METRICS[settings.metric], values[:, None]))
                    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
                    row[name] = {**found, "standard_deviation": deviation}
            rows.append(row)
    return rows


def _curves(
    tasks: Mapping[str, Sequence[Scored]],
    shared: Sequence[str],
    groups: Sequence[str],
    settings: Settings,
    x: str,
) -> dict[str, dict[str, Any]]:
    """Curves of every task and group against `x`; of all tasks together in scores."""
    found: dict[str, dict[str, Any]] = {}
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


def _curve(
    tasks: Mapping[str, list[Series | None]], settings: Settings, scaled: bool
) -> dict[str, Any] | None:
    """One group's curve where all of its runs have values; None where there is no such place."""
    known = {task: [one for one in ours if one is not None] for task, ours in tasks.items()}
    if any(len(known[task]) < len(ours) for task, ours in tasks.items()):
        return None
    start, end = common_range([one for ours in known.values() for one in ours])
    if end < start:
        return None
    grid = np.linspace(start, end, settings.points) if end > start else np.array([start])
    scores = np.full((max(map(len, known.values())), len(known), len(grid)), np.nan)
    for column, (task, ours) in enumerate(known.items()):
        for row, one in enumerate(ours):
            values = on_grid(one, grid)
            scores[row, column] = rescale(task, values, settings.bounds) if scaled else values
    return {"x": grid.tolist(), **plain(settings.estimate(METRICS[settings.metric], scores))}


def _aggregate(
    tasks: Mapping[str, Sequence[Scored]], groups: Sequence[str], settings: Settings
) -> dict[str, Any]:
    """Aggregates, profiles and probabilities of improvement over tasks and runs."""
    nothing: dict[str, Any] = {"aggregated_tasks": [], "aggregates": {}, "profiles": {}, "improvement": []}
    scores = {group: _score_array(tasks, group, settings) for group in groups} if tasks else {}
    if not scores or any(not np.isfinite(array).any(0).all() for array in scores.values()):
        return nothing
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
    return all(has_scale(task, settings.bounds) for task in tasks)


def _score_array(tasks: Mapping[str, Sequence[Scored]], group: str, settings: Settings) -> np.ndarray:
    """A group's scores [N, M], filled up with NaN."""
    columns = []
    for task, ours in tasks.items():
        values = [one.scores[settings.score] for one in ours if one.placed.group == group]
        columns.append(rescale(task, np.array(values, float), settings.bounds))
    array = np.full((max(map(len, columns)), len(columns)), np.nan)
    for index, column in enumerate(columns):
        array[: len(column), index] = column
    return array


def plain(found: Estimate) -> dict[str, Any]:
    """An estimate as plain numbers and lists."""
    parts = {"value": found.value, "low": found.low, "high": found.high}
    return {name: None if part is None else np.asarray(part).tolist() for name, part in parts.items()}
