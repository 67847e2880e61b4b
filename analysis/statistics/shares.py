"""Intervals of means over episodes: Wilson's of successes, the bootstrap's of anything else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from engram.analysis.statistics.aggregates import mean
from engram.analysis.statistics.bootstrap import Estimate, estimate

_RESAMPLES = 5_000


def mean_of_episodes(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Average episodes, with the interval of the mean.

    Args:
        values: of each episode; at least one.
        confidence: of the interval.

    Returns:
        The mean and its interval: Wilson's if all values are 0 or 1, else of the bootstrap, which is none for a single
        episode.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    scores = np.asarray(values, dtype=np.float64)
    if np.isin(scores, (0.0, 1.0)).all():
        found = binomtest(int(scores.sum()), len(scores)).proportion_ci(confidence, method="wilson")
        return Estimate(scores.mean(), np.asarray(found.low), np.asarray(found.high))
    return estimate(mean, scores[:, None], resamples=_RESAMPLES, confidence=confidence)
