"""The stratified bootstrap: runs are drawn again within each task, all resamples at once.

Intervals are percentiles of the aggregates of the resamples. They say how the result would vary with other
seeds on the same tasks; tasks themselves are not drawn. With few seeds they are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engram.scripts.statistics.aggregates import Array, each_once, numbers_of_runs

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
    generator = np.random.Generator(np.random.Philox(seed))
    batch = max(1, _BATCH_DRAWS // max(int(numbers.max()) * len(numbers) for numbers in runs))
    found = []
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        arguments = []
        for scores, numbers in zip(samples, runs, strict=True):
            arguments += [scores, draw(numbers, size, generator)]
        found.append(statistic(*arguments))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail], axis=0)
    return Estimate(value, low, high)


def draw(runs: Array, resamples: int, generator: np.random.Generator) -> Array:
    """Draw runs with replacement, for every task as many as it has.

    Args:
        runs: number of runs of each task [M].
        resamples: R.
        generator: gives the draws.

    Returns:
        Indices [R, N, M] with N the largest number of runs; beyond a task's own number of draws they name
        the last row, in which it has no run.
    """
    most = int(runs.max())
    size = (resamples, most, len(runs))
    if (runs == most).all():
        return generator.integers(most, size=size, dtype=np.uint16)
    beyond = np.arange(most)[:, None] >= runs
    return np.where(beyond, most - 1, generator.integers(runs, size=size)).astype(np.uint16)
