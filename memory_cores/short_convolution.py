"""A short causal convolution over the rows of an episode, one filter for each channel."""

from typing import Annotated

import torch
from torch import Tensor, nn

from engram.common.option_types import Whole
from engram.memory_cores.carry import Leaf, state_dtype
from engram.memory_cores.convolution import episode_convolution
from engram.memory_cores.memory import Memory

Taps = Annotated[int, Whole(2, example="4")]
"""Rows that a short convolution sees, the present one included."""


class ShortConvolution(nn.Module):
    """y[t] = Σ_d weight[:, taps − 1 − d] ⊙ x[t − d] + bias, over the rows of the episode alone.

    Args:
        width: Number of channels.
        taps: Number of rows seen, the present one included. Default: 4.
        bias: Learn a bias. Default: True.

    The carry is what `leaf` states: the last `taps` − 1 inputs, [B, taps − 1, width].
    """

    def __init__(self, width: int, taps: int = 4, bias: bool = True) -> None:
        super().__init__()
        self.taps = taps
        bound = taps**-0.5  # as torch.nn.Conv1d with one input channel for each output channel
        self.weight = nn.Parameter(torch.empty(width, taps).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(width).uniform_(-bound, bound)) if bias else None
        self.leaf = Leaf((taps - 1, width), "stored")

    def forward(self, x: Tensor, memory: Memory, key: str) -> Tensor:
        """Convolve rows [*, width]; the inputs of earlier ones lie under `key` of the memory."""
        dtype = state_dtype(x.dtype)  # sums of a row alone and of many would round differently below float32
        weight = self.weight.to(dtype)
        if memory.carry_every is None:
            y = (memory.window(key, x, self.taps).to(dtype) * weight.mT).sum(-2)
        else:
            y = episode_convolution(x.to(dtype), memory.carry[key].to(dtype), memory.is_first, weight)
            memory.keep_inputs(key, x, self.taps - 1)
        return (y if self.bias is None else y + self.bias).to(x.dtype)
