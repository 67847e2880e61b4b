"""Aggregates over runs and tasks (Agarwal et al. 2021), of many bootstrap resamples at once.

Scores are an array [N, M] of runs by tasks, or [N, M, P] with P points of a curve; a task with fewer than N
runs is filled up with NaN. `draws` [R, N, M] names the runs that each of R resamples draws for each task.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def mean(scores: Array, draws: Array) -> Array:
    """Mean over tasks of each task's mean over runs.

    Args:
        scores: [N, M] or [N, M, P].
        draws: runs drawn [R, N, M].

    Returns:
        One value per resample [R], or [R, P].
    """
    return task_means(scores, draws).mean(1)


def median(scores: Array, draws: Array) -> Array:
    """Median over tasks of each task's mean over runs; arguments and shapes as for `mean`."""
    return np.median(task_means(scores, draws), axis=1)


def optimality_gap(scores: Array, draws: Array, target: float = 1.0) -> Array:
    """How far scores fall short of `target` on average; what exceeds it counts as reaching it.

    Args:
        scores: [N, M] or [N, M, P].
        draws: runs drawn [R, N, M].
        target: the score that would be good enough.

    Returns:
        [R], or [R, P]; lower is better.
    """
    return target - task_means(np.minimum(scores, target), draws).mean(1)


def interquartile_mean(scores: Array, draws: Array) -> Array:
    """Mean of the middle half of the scores of all tasks and runs together.

    Of K scores, the K // 4 lowest and highest are left out. Where tasks have unequal numbers of runs, each
    run counts alike.

    Args:
        scores: [N, M] or [N, M, P].
        draws: runs drawn [R, N, M].

    Returns:
        [R], or [R, P].
    """
    if scores.ndim == 3:
        points = [interquartile_mean(scores[..., point], draws) for point in range(scores.shape[2])]
        return np.stack(points, axis=1)
    size = np.count_nonzero(~np.isnan(scores))
    cut = size // 4
    # NaN sorts last.
    ordered = np.sort(drawn(scores, draws).reshape(len(draws), -1), axis=1)
    return ordered[:, cut : size - cut].mean(1)


def performance_profile(scores: Array, draws: Array, thresholds: Array) -> Array:
    """Share of runs with a score above each threshold, averaged over tasks.

    Args:
        scores: [N, M].
        draws: runs drawn [R, N, M].
        thresholds: [P].

    Returns:
        [R, P].
    """
    above = np.where(np.isnan(scores)[..., None], np.nan, scores[..., None] > thresholds)
    return task_means(above, draws).mean(1)


def probability_of_improvement(scores: Array, draws: Array, others: Array, other_draws: Array) -> Array:
    """Probability that a run scores higher than another's run on the same task, averaged over tasks.

    Equal scores count half, as in the statistic of Mann and Whitney.

    Args:
        scores: [N, M].
        draws: runs drawn [R, N, M].
        others: [L, M], the runs to be improved upon.
        other_draws: [R, L, M].

    Returns:
        [R].
    """
    own_counts, other_counts = count_draws(scores, draws), count_draws(others, other_draws)
    total = np.zeros(len(draws))
    for task in range(scores.shape[1]):
        difference = scores[:, task, None] - others[None, :, task]
        wins = np.where(np.isnan(difference), 0.0, (np.sign(difference) + 1) / 2)
        own, other = own_counts[:, :, task], other_counts[:, :, task]
        total += ((own @ wins) * other).sum(1) / (own[0].sum() * other[0].sum())
    return total / scores.shape[1]


def task_means(scores: Array, draws: Array) -> Array:
    """Mean over the runs of each task.

    Args:
        scores: [N, M] or [N, M, P].
        draws: runs drawn [R, N, M].

    Returns:
        [R, M], or [R, M, P].
    """
    known = np.where(np.isnan(scores), 0.0, scores)
    if scores.ndim == 2:
        return drawn(known, draws).sum(1) / numbers_of_runs(scores)
    # Of many points each: the means are a product of matrices, which copies no scores.
    weights = np.moveaxis(count_draws(scores, draws) / numbers_of_runs(scores), 2, 0)  # [M, R, N]
    return np.moveaxis(np.matmul(weights, np.moveaxis(known, 1, 0)), 0, 1)


def drawn(scores: Array, draws: Array) -> Array:
    """The scores [R, N, M] of the runs drawn."""
    tasks = scores.shape[1]
    return np.take(scores, draws * np.int64(tasks) + np.arange(tasks))


def count_draws(scores: Array, draws: Array) -> Array:
    """Count how often each run was drawn [R, N, M]; a task's counts sum to its number of runs."""
    resamples, most, tasks = draws.shape
    places = draws.astype(np.int64) * tasks + np.arange(tasks)
    places += (np.arange(resamples) * most * tasks)[:, None, None]
    counts = np.bincount(places.ravel(), minlength=draws.size).reshape(draws.shape)
    # What stands for a run that is missing was drawn for a task with fewer runs.
    return np.where(_missing(scores), 0, counts).astype(np.float64)


def each_once(scores: Array) -> Array:
    """The resample [1, N, M] of every run once: aggregates of it are those of the scores themselves."""
    runs = np.arange(len(scores))[:, None]
    return np.broadcast_to(runs, _missing(scores).shape)[None]


def numbers_of_runs(scores: Array) -> Array:
    """How many runs each task has [M]."""
    return (~_missing(scores)).sum(0)


def _missing(scores: Array) -> Array:
    """Where a task has no further run [N, M]."""
    missing = np.isnan(scores)
    return missing if scores.ndim == 2 else missing.all(2)
