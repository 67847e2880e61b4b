"""Whether a quantity that is measured again and again stays where it is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Trend:
    """A straight line through measurements.

    Attributes:
        first: median of the first quarter of the measurements.
        last: of the last quarter.
        per_minute: slope of the line fitted by least squares.
        error: standard error of the slope.
    """

    first: float
    last: float
    per_minute: float
    error: float


def fit_trend(minutes: Sequence[float], values: Sequence[float]) -> Trend:
    """Fit a line to `values` over `minutes`, at least four of each."""
    slope, intercept = statistics.linear_regression(minutes, values)
    residuals = [value - intercept - slope * minute for minute, value in zip(minutes, values, strict=True)]
    spread = (len(minutes) - 1) * statistics.variance(minutes)
    error = (sum(residual**2 for residual in residuals) / (len(minutes) - 2) / spread) ** 0.5
    quarter = max(len(values) // 4, 1)
    return Trend(statistics.median(values[:quarter]), statistics.median(values[-quarter:]), slope, error)


def rises_little(trend: Trend, minutes: float, share: float, least: float) -> bool:
    """Whether the line rises over so many minutes by no more than a share of what there was, or than `least`."""
    return trend.per_minute * minutes <= max(share * trend.first, least)


def has_grown(trend: Trend) -> bool:
    """Whether the median of the last quarter is above that of the first."""
    return trend.last > trend.first
