"""One core on one task: its last evaluations, and how soon it reached the task's threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engram.analysis.metrics import EVALUATION
from engram.analysis.runs import Run
from engram.analysis.settings import Settings, plain
from engram.analysis.statistics import mean

# Decimals of a score: beyond, libraries differ.
_DECIMALS = 6


def make_cell(
    runs: Sequence[Run], budgets: Sequence[int], threshold: float | None, how: Settings
) -> dict[str, Any]:
    """Describe the runs of one core on one task.

    Args:
        runs: one of each seed, each with an evaluation.
        budgets: environment steps that each was to have.
        threshold: the evaluation at which the task counts as reached; None for none.
        how: of the interval.

    Returns:
        `score`, the mean over seeds of the last evaluation, with `value`, `low` and `high`, the ends None for a single
        seed; `seeds`; `env_steps`, the fewest and the most that were trained; `budgets`; `solved`, how many stopped at
        their `evaluation.stop_at_return`; `unfinished`, how many ended before; `reached`, how many seeds reached the
        threshold; `steps_to_threshold`, the median over seeds, None where half of them did not.
    """
    curves = [run.series(EVALUATION)[0] for run in runs]
    scores = np.array([curve.y[-1] for curve in curves])
    found = plain(how.estimate(mean, scores[:, None]))
    steps = [_first_at(curve.x, curve.y, threshold) for curve in curves]
    median = float(np.median([math.inf if one is None else one for one in steps]))
    trained = [int(run.steps[-1]) for run in runs]
    return {
        "score": {name: None if part is None else round(part, _DECIMALS) for name, part in found.items()},
        "seeds": sorted(run.seed for run in runs),
        "env_steps": [min(trained), max(trained)],
        "budgets": sorted(set(budgets)),
        "solved": sum(run.solved for run in runs),
        "unfinished": sum(not is_finished(run, budget) for run, budget in zip(runs, budgets, strict=True)),
        "reached": sum(one is not None for one in steps),
        "steps_to_threshold": median if math.isfinite(median) else None,
    }


def is_finished(run: Run, budget: int) -> bool:
    """Whether a run spent its budget of environment steps, or stopped as its task was solved."""
    return run.solved or run.steps[-1] >= budget


def ranks(cells: Mapping[Any, Mapping[str, Any]], threshold: float | None) -> dict[Any, int]:
    """Rank the cores of one task: first those that hold the threshold, the sooner reached the better, then by score.

    Args:
        cells: by core.
        threshold: see `make_cell`; a core holds it whose score is at it or above, and whose seeds reached it by half.

    Returns:
        From 1; what is equal has the same rank, and the next one is left out.
    """
    keys = {name: _key(cell, threshold) for name, cell in cells.items()}
    return {name: 1 + sum(other < key for other in keys.values()) for name, key in keys.items()}


def _key(cell: Mapping[str, Any], threshold: float | None) -> tuple[int, float]:
    """What a core is sorted by, the least first."""
    score, steps = cell["score"]["value"], cell["steps_to_threshold"]
    holds = threshold is not None and steps is not None and score >= threshold
    return (0, steps) if holds else (1, -score)


def _first_at(x: np.ndarray, y: np.ndarray, threshold: float | None) -> float | None:
    """The environment steps of the first evaluation at a threshold or above; None if there is none."""
    if threshold is None:
        return None
    places = np.flatnonzero(y >= threshold)
    return float(x[places[0]]) if len(places) else None
