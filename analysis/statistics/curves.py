"""Curves measured at unequal places, brought to common ones without inventing data.

Between two measurements a curve is the straight line; before the first and after the last it has no value.
The one exception is a run that stopped because its task was solved: it keeps its last value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engram.analysis.statistics.aggregates import Array


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


def stretches(curves: Sequence[Series], tolerance: float = 0.02) -> list[tuple[float, float, list[int]]]:
    """Part the axis where the set of curves with a value changes.

    Lengths that differ by less than a share `tolerance` of the longest count as one, the shorter: runs of one budget
    end with different rollouts. A solved curve goes on to the end of the longest.

    Args:
        curves: at least one.
        tolerance: see above; likewise for where curves begin.

    Returns:
        Start, end and indices of the curves that have values all the way, in order; none for a gap. A stretch of one
        place stands where a curve is a single point.
    """
    longest = max(float(curve.x[-1]) for curve in curves)
    exact = [(float(curve.x[0]), longest if curve.solved else float(curve.x[-1])) for curve in curves]
    ends = _snapped([end for _, end in exact], tolerance * longest)
    starts = [-place for place in _snapped([-start for start, _ in exact], tolerance * longest)]
    spans = [
        own if start > end else (start, end)  # shorter than the tolerance
        for own, start, end in zip(exact, starts, ends, strict=True)
    ]
    places = sorted({place for span in spans for place in span})
    points = [(place, place) for place in places if (place, place) in spans]
    found = []
    for first, last in sorted([*points, *pairwise(places)]):
        members = [index for index, (start, end) in enumerate(spans) if start <= first and last <= end]
        if members:
            found.append((first, last, members))
    return found


def _snapped(places: Sequence[float], width: float) -> list[float]:
    """Bring places to the lowest of those that lie within `width` above it."""
    lowest: list[float] = []
    for place in sorted(places):
        if not lowest or place > lowest[-1] + width:
            lowest.append(place)
    return [max(low for low in lowest if low <= place) for place in places]


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
