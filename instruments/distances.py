"""From maps of rows by rows to curves over distance: what a past row counts, by how many rows ago it was."""

from __future__ import annotations

import torch
from torch import Tensor


def positions(is_first: Tensor) -> Tensor:
    """Count the rows of its episode before each row, `[B, T]`; before the first flag they are counted from row 0."""
    rows = torch.arange(is_first.shape[1], device=is_first.device)
    begin = torch.where(is_first, rows, 0).cummax(dim=1).values
    return rows - begin


def by_distance(weights: Tensor, is_first: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Average the shares of past rows over all rows that have one at that distance.

    D(d) is the mean over t of w[t, t − d] / Σ_s w[t, s], over rows t with d rows of their episode before them, and
    with any weight at all.

    Args:
        weights: not negative, `[B, T, T]`, `[b, t, s]`.
        is_first: whether a row begins an episode, `[B, T]`.
        keep: rows t that count, `[B, T]`. Default: all.

    Returns:
        D, `[T]` float64, NaN where no row has that distance; and the number of rows averaged, `[T]`.
    """
    weights = weights.double()
    total = weights.sum(2)
    counts_at_all = (total > 0) if keep is None else (total > 0) & keep
    share = weights / torch.where(total > 0, total, 1.0).unsqueeze(2)
    position, means, counts = positions(is_first), [], []
    for distance in range(weights.shape[1]):
        has = (position >= distance) & counts_at_all
        has = has[:, distance:]
        at = share.diagonal(-distance, dim1=1, dim2=2)  # [B, T - distance]
        counts.append(has.sum())
        means.append(torch.where(has, at, 0.0).sum() / has.sum())
    return torch.stack(means), torch.stack(counts)


def half_distance(share: Tensor) -> int:
    """Say within how many rows half of what past rows count lies, 0 if they count nothing.

    Args:
        share: by distance, `[D]`; the first is the present row's.
    """
    past = share[1:].nan_to_num()
    if not past.any():
        return 0
    return int((past.cumsum(0) < past.sum() / 2).sum()) + 1
