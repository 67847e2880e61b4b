"""Time scales that units begin with: how many rows pass until what they hold has faded by e."""

import math
from typing import Annotated

import torch
from torch import Tensor

from engram.common.option_types import Whole

TimeScale = Annotated[int, Whole(2, example="256")]
"""A longest time scale in rows."""


def chrono_bias(hidden_size: int, max_time_scale: int, root: int = 1) -> Tensor:
    """Draw biases of a gate σ that keeps a unit's content, so that it fades in τ rows: σ(bias)^(1 / root) = 1 − 1 / τ.

    log τ is uniform from log 2 to log `max_time_scale`. The source draws τ itself uniformly, which leaves few units
    with short time scales: that made both gated cores slower to learn where little is to be remembered.

    Args:
        hidden_size: Number of units.
        max_time_scale: Longest time scale in rows, 2 or more.
        root: Which root of the gate is what is kept in a row. Default: 1.

    Returns:
        Biases, [hidden_size].

    Source: Tallec and Ollivier, "Can recurrent neural networks warp time?", 2018, equation 16.
    """
    log_time_scale = torch.empty(hidden_size).uniform_(math.log(2), math.log(max_time_scale))
    if root == 1:
        return torch.expm1(log_time_scale).log()
    log_gate = root * torch.log1p(-torch.exp(-log_time_scale))
    return log_gate - torch.log(-torch.expm1(log_gate))


def even_time_scales(count: int, max_time_scale: int) -> Tensor:
    """Return time scales from 2 to `max_time_scale` rows, even in their logarithm, [count] float64."""
    return torch.logspace(math.log10(2), math.log10(max_time_scale), count, dtype=torch.float64)


def inverse_softplus(value: Tensor) -> Tensor:
    """Return the x whose softplus, log(1 + exp(x)), is a positive value."""
    return value + torch.log(-torch.expm1(-value))
