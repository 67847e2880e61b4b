"""Curves measured at unequal places, brought to common ones without inventing data.

Between two measurements a curve is the straight line; before the first and after the last it has no value.
The one exception is a run that stopped because its task was solved: it keeps its last value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.statistics.aggregates import Array


@dataclass(frozen=True)
class Series:
    """What was measured during one run.

    Attributes:
        x: environment steps or seconds, ascending [L].
        y: returns [L].
        solved: the run stopped because its task was solved, so that its last value holds from then on.
    """

    x: Array
    y: Array
    solved: bool = False


def average_epochs(series: Series, ticks: Array, width: float) -> Series:
    """Average the measurements of each epoch, as a mean over a few episodes is mostly noise.

    An epoch's value stands at its last measurement, where all of it was known.

    Args:
        series: of L measurements.
        ticks: the environment steps of each measurement [L], by which epochs are told apart.
        width: environment steps of an epoch: the first is (0, width].

    Returns:
        A point for each epoch that has a measurement.
    """
    epochs = np.ceil(np.asarray(ticks) / width).astype(np.int64)
    starts = np.flatnonzero(np.diff(epochs, prepend=epochs[0] - 1))
    sizes = np.diff(starts, append=len(epochs))
    return Series(series.x[starts + sizes - 1], np.add.reduceat(series.y, starts) / sizes, series.solved)


def common_range(curves: Sequence[Series]) -> tuple[float, float]:
    """Where every curve has a value: from the latest start to the earliest end that was not a solution.

    If all were solved, to the latest end.
    """
    start = max(float(curve.x[0]) for curve in curves)
    open_ends = [float(curve.x[-1]) for curve in curves if not curve.solved]
    return start, min(open_ends) if open_ends else max(float(curve.x[-1]) for curve in curves)


def on_grid(series: Series, grid: Array) -> Array:
    """Values at the places of a grid [P]; NaN where the curve has none."""
    right = None if series.solved else np.nan
    return np.interp(grid, series.x, series.y, left=np.nan, right=right)


def area(series: Series, start: float, end: float) -> float:
    """Area under a curve between two places, divided by their distance: its mean height.

    Args:
        series: a curve with values everywhere between them.
        start: where the area begins.
        end: where it ends, after `start`; at `start` itself it is the value there.
    """
    if end <= start:
        return float(on_grid(series, np.array([start]))[0])
    inside = series.x[(series.x > start) & (series.x < end)]
    places = np.concatenate([[start], inside, [end]])
    return float(np.trapezoid(on_grid(series, places), places) / (end - start))
