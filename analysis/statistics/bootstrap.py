"""The stratified bootstrap: runs are drawn again within each task.

Intervals are percentiles of the aggregates of the resamples. They say how the result would vary with other
seeds on the same tasks; tasks themselves are not drawn. With few seeds they are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from engram.analysis.statistics.aggregates import Array, each_once, numbers_of_runs

FEWEST_SEEDS = 5
"""Below this many seeds an interval is not to be relied upon."""

# Draws of one batch of resamples: what is computed of them stays in a cache.
_BATCH_DRAWS = 1 << 16


@dataclass(frozen=True)
class Estimate:
    """An aggregate with its interval.

    Attributes:
        value: of the scores themselves: a number, or [P].
        low: lower end, of the same shape; None where a single run leaves nothing to draw from.
        high: upper end.
    """

    value: Array
    low: Array | None
    high: Array | None


def estimate(
    statistic: Callable[..., Array],
    *samples: Array,
    resamples: int = 50_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Compute an aggregate and its stratified bootstrap interval.

    Args:
        statistic: takes scores [N, M, …] and draws [R, N, M] of every sample in turn; gives [R] or [R, P].
        *samples: scores of one group each, drawn independently of each other.
        resamples: R.
        confidence: share of resamples inside the interval.
        seed: of the draws.
    """
    value = statistic(*(part for scores in samples for part in (scores, each_once(scores))))[0]
    runs = [numbers_of_runs(scores) for scores in samples]
    if min(int(numbers.min()) for numbers in runs) < 2:
        return Estimate(value, None, None)
    ends = np.cumsum([len(numbers) for numbers in runs])[:-1]

    def of_drawn(*strata: Array, axis: int) -> Array:
        """The statistic of runs drawn for every task of every sample, [R, runs of the task] each."""
        groups = [strata[first:last] for first, last in zip([0, *ends], [*ends, len(strata)], strict=True)]
        drawn = [
            part for scores, group in zip(samples, groups, strict=True) for part in (scores, stack(group))
        ]
        found = np.moveaxis(statistic(*drawn), 0, -1)
        return found if strata[0].ndim > 1 else found[..., 0]

    found = bootstrap(
        [np.arange(number, dtype=np.uint16) for numbers in runs for number in numbers],
        of_drawn,
        n_resamples=resamples,
        batch=max(1, _BATCH_DRAWS // max(int(numbers.max()) * len(numbers) for numbers in runs)),
        confidence_level=confidence,
        method="percentile",
        vectorized=True,
        rng=np.random.Generator(np.random.Philox(seed)),
    )
    return Estimate(value, found.confidence_interval.low, found.confidence_interval.high)


def stack(drawn: Sequence[Array]) -> Array:
    """Put the runs drawn for each task beside each other.

    Args:
        drawn: indices of each task's runs, [R, as many as it has] or [as many as it has].

    Returns:
        Indices [R, N, M] with N the largest number of runs; beyond a task's own number of draws they name
        the last row, in which it has no run.
    """
    most = max(indices.shape[-1] for indices in drawn)
    stacked = np.full((drawn[0].size // drawn[0].shape[-1], most, len(drawn)), most - 1, dtype=np.uint16)
    for task, indices in enumerate(drawn):
        stacked[:, : indices.shape[-1], task] = indices
    return stacked
