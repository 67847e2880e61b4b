"""Pixels of any range as numbers between 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.networks.image_layout import ImageLayout

# Wider bounds say nothing about a picture (those of int32, say): float32 could not tell its shades apart.
_WIDEST = 2.0**24


class PixelScale(nn.Module):
    """Bring pixels between 0 and 1 by the bounds of their space; it holds no state that is saved.

    Args:
        low: what becomes 0: one number, or an array of the picture's shape.
        span: what that plus this becomes 1, likewise.
        is_bounded: false where the space has no bounds, so that pixels may be anything.
    """

    low: Tensor | float
    span: Tensor | float

    def __init__(self, low: Any = 0.0, span: Any = 255.0, is_bounded: bool = True) -> None:
        super().__init__()
        self.is_bounded = is_bounded
        self.is_uniform = np.ndim(low) == 0 and np.ndim(span) == 0
        if self.is_uniform:
            self.low, self.span = float(low), float(span)
        else:
            for name, values in (("low", low), ("span", span)):
                self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    @classmethod
    def of(cls, space: spaces.Space) -> PixelScale:
        """Make the scale of a space; where a bound is infinite or too wide, pixels stay as they are."""
        low, high, known = _bounds(space)
        span = high - low
        known = known & (span <= _WIDEST)
        low, span = np.where(known, low, 0.0), np.where(known & (span > 0), span, 1.0)
        if low.size and (low == low.flat[0]).all() and (span == span.flat[0]).all():
            return cls(low.flat[0], span.flat[0], bool(known.all()))
        return cls(low, span, bool(known.all()))

    def arranged(self, layout: ImageLayout) -> PixelScale:
        """Make the same scale for images whose axes `layout.to_channels` has arranged."""
        if self.is_uniform:
            return self
        assert isinstance(self.low, Tensor) and isinstance(self.span, Tensor)
        return PixelScale(layout.to_channels(self.low), layout.to_channels(self.span), self.is_bounded)

    def forward(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Scale images `[*batch, *shape]` of any dtype to `dtype`."""
        if images.dtype == torch.uint8 and self.is_uniform and self.low == 0:
            return images.to(dtype) / self.span  # bytes are exact in bfloat16, too
        scaled = images.float()
        if not self.is_uniform or self.low != 0:
            scaled = scaled - self.low
        return (scaled / self.span).to(dtype)


def _bounds(space: spaces.Space) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest values of a space as float64, and where it has both."""
    if isinstance(space, spaces.Box):
        known = space.bounded_below & space.bounded_above
        low, high = (np.where(known, bound, 0).astype(np.float64) for bound in (space.low, space.high))
        return low, high, known
    if isinstance(space, spaces.MultiDiscrete):
        high = space.nvec.astype(np.float64) - 1
    else:
        high = np.ones(space.shape or ())
    return np.zeros_like(high), high, np.ones_like(high, dtype=np.bool_)
