"""Dense layers of a world model: linear, norm, SiLU."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from engram.agents.world_model.two_hot import Spacing, TwoHot, make_bins
from engram.common.dense import Linear
from engram.common.row_gradients import RMSNorm

Norm = Literal["layer", "rms"]
# Standard deviation of a standard normal cut at ±2.
_TRUNCATED_STD = 0.87962566


def make_norm(kind: Norm, size: int) -> nn.Module:
    """Make a norm with scale: `layer` (epsilon 1e-3) or `rms` (epsilon 1e-4)."""
    return nn.LayerNorm(size, eps=1e-3) if kind == "layer" else RMSNorm(size, eps=1e-4)


def init_weight(weight: Tensor, fan_in: int, scale: float = 1.0) -> None:
    """Draw from a normal cut at two deviations, of standard deviation scale / √fan_in; 0 gives zeros."""
    if scale == 0:
        nn.init.zeros_(weight)
        return
    std = scale / math.sqrt(fan_in) / _TRUNCATED_STD
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def dense(input_size: int, output_size: int, scale: float = 1.0, bias: bool = True) -> nn.Linear:
    """Make a linear layer with cut normal weights (`init_weight`) and zero bias."""
    layer = Linear(input_size, output_size, bias=bias)
    init_weight(layer.weight, input_size, scale)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class DenseBlock(nn.Sequential):
    """Linear without bias, norm, SiLU."""

    def __init__(self, input_size: int, output_size: int, norm: Norm) -> None:
        super().__init__(dense(input_size, output_size, bias=False), make_norm(norm, output_size), nn.SiLU())


class Head(nn.Sequential):
    """Blocks of equal width and a linear output.

    Args:
        input_size: features in.
        output_size: numbers out; 0 leaves out the linear output.
        units: width of the blocks.
        num_layers: number of blocks.
        norm: of the blocks.
        scale: of the output's initial weights; 0 gives zeros, so that the first output is 0.
    """

    def __init__(
        self, input_size: int, output_size: int, units: int, num_layers: int, norm: Norm, scale: float = 1.0
    ) -> None:
        layers: list[nn.Module] = []
        width = input_size
        for _ in range(num_layers):
            layers.append(DenseBlock(width, units, norm))
            width = units
        if output_size:
            layers.append(dense(width, output_size, scale))
        super().__init__(*layers)


class TwoHotHead(nn.Module):
    """A head that predicts one number as a `TwoHot` distribution; the first prediction is exactly 0.

    Args:
        input_size: features in.
        units: width of the blocks.
        num_layers: number of blocks.
        norm: of the blocks.
        spacing: of the bins.
        num_bins: how many, an odd number.
        decay: by so much the initial logits fall from each bin to the next one, away from 0: what is far from 0 need
            not be unlearnt before anything else is learnt.
    """

    bins: Tensor

    def __init__(
        self,
        input_size: int,
        units: int,
        num_layers: int,
        norm: Norm,
        spacing: Spacing,
        num_bins: int = 255,
        decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.spacing = spacing
        self.register_buffer("bins", make_bins(spacing, num_bins), persistent=False)
        self.head = Head(input_size, len(self.bins), units, num_layers, norm, scale=0.0)
        if decay:
            places = torch.arange(len(self.bins)) - len(self.bins) // 2
            last = self.head[-1]
            assert isinstance(last, nn.Linear)
            with torch.no_grad():
                last.bias.copy_(-decay * places.abs())

    def forward(self, features: Tensor) -> TwoHot:
        """Read features `[..., input_size]`; batch shape `[...]`."""
        return TwoHot(self.head(features), self.bins, self.spacing)
