"""How right read-outs are, on rows of episodes that they have not seen."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

AGES = (0, 5, 10, 50, 200, 1000)
"""Ends of bins of rows since something was shown, as of Memory Maze's paper: 0, 1 to 5, 6 to 10, …"""


def row_scores(predicted: Tensor, target: Tensor, num_classes: int | None) -> Tensor:
    """Score rows, `[N]`: the share of choices that are right, or the squared error, both `[N, m]`, summed."""
    if num_classes is None:
        return (predicted - target).double().square().sum(1)
    return (predicted == target).double().mean(1)


def mean_over_episodes(scores: Tensor, episode: Tensor) -> tuple[float, float]:
    """Average row scores `[N]`, with the standard error by the differences of episodes; NaN for a single one."""
    _, place, count = episode.unique(return_inverse=True, return_counts=True)
    mean = scores.mean()
    # Of a ratio of sums: rows of one episode are not independent of each other.
    off = torch.zeros(len(count), dtype=scores.dtype, device=scores.device).index_add(0, place, scores - mean)
    number = len(count)
    if number < 2:
        return float(mean), float("nan")
    return float(mean), float((off.square().sum() * number / (number - 1)).sqrt() / len(scores))


def balanced(predicted: Tensor, target: Tensor, num_classes: int) -> float:
    """The mean over classes of the share of their rows `[N, m]` that is found."""
    right = (predicted == target).double()
    each = [right[target == one].mean() for one in range(num_classes) if (target == one).any()]
    return float(torch.stack(each).mean())


def by_age(scores: Tensor, rows_ago: Tensor) -> Iterator[tuple[int, int, float, int]]:
    """Average row scores `[N]` by how long ago it was shown, `[N]`.

    Returns:
        First and last age of each bin that has rows, the mean, and the number of rows.
    """
    first = 0
    for last in AGES:
        inside = (rows_ago >= first) & (rows_ago <= last)
        if inside.any():
            yield first, last, float(scores[inside].mean()), int(inside.sum())
        first = last + 1
