"""Random orthogonal matrices by counters: the same on every device, whatever linear algebra it has."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from engram.common.checked import settings
from engram.common.option_types import Count
from engram.common.random import normal


@settings(owner="projection", prefix="env.projection.")
class Projection:
    """How observations and actions are hidden behind linear maps that are drawn anew for every episode or trial.

    Attributes:
        observation: numbers that a random linear map makes of the observation; null leaves it as it is.
        action: for Box actions, numbers from which a random linear map makes the task's; `permuted` for Discrete and
            MultiDiscrete ones, whose order is then random; null leaves them as they are.
    """

    observation: Count | None = None
    action: Count | Literal["permuted"] | None = None


NO_PROJECTION = Projection()


def orthogonal(key: Tensor, rows: int, columns: int, gain: float) -> Tensor:
    """Draw matrices whose rows or columns, whichever are fewer, are orthogonal.

    Normal numbers, made orthonormal column by column (Gram and Schmidt, twice, so that rounding leaves nothing): the Q
    of a QR decomposition with a positive diagonal of R, as in Flax's and PyTorch's `orthogonal`, without asking a
    library for its signs.

    Args:
        key: `hash_prefix` of what they are drawn for, int64 [B].
        rows: of each.
        columns: of each.
        gain: length of the rows or columns.

    Returns:
        float32 [B, rows, columns].
    """
    tall, short = max(rows, columns), min(rows, columns)
    pairs = torch.arange(math.ceil(tall * short / 2), device=key.device)
    numbers = normal(pairs, prefix=key.unsqueeze(1)).flatten(1)[:, : tall * short].to(torch.float64)
    drawn = numbers.view(-1, tall, short)
    basis = drawn[:, :, :0]
    for column in drawn.split(1, dim=2):  # [B, tall, 1]
        for _ in range(2):
            column = column - (basis * (basis * column).sum(1, keepdim=True)).sum(2, keepdim=True)
        column = column / column.square().sum(1, keepdim=True).sqrt()
        basis = torch.cat([basis, column], dim=2)
    matrix = basis if columns <= rows else basis.mT
    return (matrix * gain).to(torch.float32).contiguous()
