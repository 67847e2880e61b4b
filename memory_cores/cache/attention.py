"""What attention over a bounded store needs: a softmax that may be empty, positions, and bands of scores."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

SLICE = 128
"""Queries at a time in a sequence: memory and work are linear in its length."""


def masked_softmax(scores: Tensor, is_valid: Tensor) -> Tensor:
    """Softmax over the valid entries of the last dimension.

    Args:
        scores: Finite, [..., N].
        is_valid: Broadcastable to `scores`, bool.

    Returns:
        Weights [..., N], zero where not valid; all zero, with a gradient of zero, where nothing is.
    """
    lowest = torch.finfo(scores.dtype).min
    return torch.where(is_valid, torch.where(is_valid, scores, lowest).softmax(dim=-1), 0.0)


def sinusoids(length: int, width: int, max_timescale: float = 1e4) -> Tensor:
    """Encode the positions 0 … length - 1: a block of sines, then a block of cosines.

    The frequencies are max_timescale^(-f / width) for f = 0, 2, 4, ….

    Returns:
        [length, width].
    """
    frequency = max_timescale ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(length, dtype=torch.float64).unsqueeze(1) * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :width].to(torch.get_default_dtype())


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Turn [B, T, heads * size] into [B, heads, T, size]."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Turn [B, heads, T, size] into [B, T, heads * size]."""
    return x.transpose(1, 2).flatten(2)


def to_band(by_age: Tensor, length: int) -> Tensor:
    """Move scores by age to the tokens they belong to: query s of a slice sees tokens s … s + W - 1.

    Args:
        by_age: Oldest first, [..., length, W].
        length: Queries of the slice.

    Returns:
        [..., length, W + length - 1], zero outside the band.
    """
    width = by_age.shape[-1]
    # Rows one longer than those they are read as: each begins one further to the right than the one above.
    skewed = pad(by_age, (0, length)).flatten(-2)[..., :-length]
    return skewed.unflatten(-1, (length, width + length - 1))


def init_linear(layer: nn.Linear, scale: float) -> nn.Linear:
    """Draw the weights from N(0, scale / fan_in), set the bias to zero, and return the layer."""
    nn.init.normal_(layer.weight, std=(scale / layer.in_features) ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
