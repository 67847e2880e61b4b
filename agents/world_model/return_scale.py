"""The scale of returns: a moving range between two percentiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engram.common.ranks import ALONE, Ranks


class ReturnScale(nn.Module):
    """Exponentially moving 5th and 95th percentiles of returns, corrected for having begun at 0.

    Args:
        rate: weight of the newest percentiles.

    Attributes:
        ranks: whose returns are taken in together.

    Source: Hafner et al. 2023 (DreamerV3), eq. 7.
    """

    ranks: Ranks = ALONE
    low: Tensor
    high: Tensor
    weight: Tensor
    levels: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        for name in ("low", "high", "weight"):
            self.register_buffer(name, torch.zeros(()))
        # On the device from the start: a copy in every update would wait for it.
        self.register_buffer("levels", torch.tensor([0.05, 0.95]), persistent=False)

    @torch.no_grad()
    def update(self, returns: Tensor, mask: Tensor) -> None:
        """Take in `returns` `[...]` where `mask` `[...]` holds."""
        counted = torch.where(mask, returns.float(), torch.nan)
        if self.ranks.is_many:  # percentiles of parts say nothing of those of the whole
            counted = self.ranks.gather_rows(counted.flatten())
            mask = ~counted.isnan()
        found = torch.nanquantile(counted, self.levels)
        found = torch.where(mask.any(), found, torch.stack([self.low, self.high]))
        for moving, value in (
            (self.low, found[0]),
            (self.high, found[1]),
            (self.weight, torch.ones_like(self.low)),
        ):
            moving.lerp_(value, self.rate)

    def scale(self) -> Tensor:
        """Return max(1, P95 - P5): returns are divided by it, small ones are never blown up."""
        return ((self.high - self.low) / self.weight.clamp(min=1e-8)).clamp(min=1.0)
