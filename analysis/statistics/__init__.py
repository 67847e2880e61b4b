"""Statistics of scores of several seeds and tasks: aggregates, stratified bootstrap intervals, curves."""

from engram.analysis.statistics.aggregates import (
    interquartile_mean,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from engram.analysis.statistics.bootstrap import Estimate, estimate
from engram.analysis.statistics.curves import Series, area, average_epochs, on_grid, stretches
from engram.analysis.statistics.shares import mean_of_episodes

__all__ = [
    "Estimate",
    "Series",
    "area",
    "average_epochs",
    "estimate",
    "interquartile_mean",
    "mean",
    "mean_of_episodes",
    "median",
    "on_grid",
    "optimality_gap",
    "performance_profile",
    "probability_of_improvement",
    "stretches",
]
