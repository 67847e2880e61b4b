"""Running maxima with resets, by doubling: exact, and without a loop over rows."""

import torch
from torch import Tensor


def running_maximum_reference(scores: Tensor, is_first: Tensor, before: Tensor) -> Tensor:
    """Compute m[t] = max(m[t−1], scores[t]), where m[t−1] is −∞ wherever an episode begins, row by row.

    Args:
        scores: Finite, [B, T, *].
        is_first: Whether a row begins an episode, [B, T] bool.
        before: The maximum before row 0, [B, *]; −∞ if there is none.

    Returns:
        The maxima after every row, [B, T, *].
    """
    maximum, maxima = before, []
    for score, first in zip(scores.unbind(1), is_first.unbind(1), strict=True):
        first = first.reshape(-1, *(1,) * (score.dim() - 1))
        maximum = torch.maximum(torch.where(first, -torch.inf, maximum), score)
        maxima.append(maximum)
    return torch.stack(maxima, dim=1)


def running_maximum(scores: Tensor, is_first: Tensor, before: Tensor) -> Tensor:
    """Compute running maxima; arguments and result are `running_maximum_reference`'s.

    After a pass each row has the maximum of twice as many rows of its episode, none of them counted twice, so that
    gradients are the reference's too.
    """
    begun = is_first.cumsum(dim=1)
    # As many dimensions as the maxima, so that it spreads over them.
    episode = torch.cat([torch.zeros_like(begun[:, :1]), begun], dim=1).reshape(
        len(begun), -1, *(1,) * (scores.dim() - 2)
    )
    maxima = torch.cat([before.unsqueeze(1), scores], dim=1)
    lag = 1
    while lag < maxima.shape[1]:
        is_same = episode[:, lag:] == episode[:, :-lag]
        earlier = torch.where(is_same, maxima[:, :-lag], -torch.inf)
        maxima = torch.cat([maxima[:, :lag], torch.maximum(maxima[:, lag:], earlier)], dim=1)
        lag *= 2
    return maxima[:, 1:]
