"""Features of equal variance and without correlation, so that a head hears the faint ones too."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Whitening(nn.Module):
    """x ↦ L⁻¹ (x - m), where m and L Lᵀ are the moving mean and covariance of what was seen.

    What a memory holds of a single row long ago is a direction of small variance in its output. Gradient descent
    moves along a direction in proportion to its variance, so that a head would find it after many thousands of
    updates or, the rest being noise to it, never. After this map all directions are alike.

    Args:
        size: length n of the features.
        rate: weight of the newest moments.
        floor: variance that is added to every feature, so that none is blown up beyond 1 / √floor.
    """

    mean: Tensor
    second: Tensor
    weight: Tensor
    matrix: Tensor

    def __init__(self, size: int, rate: float = 0.02, floor: float = 4e-4) -> None:
        super().__init__()
        self.rate, self.floor = rate, floor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("second", torch.zeros(size, size))
        self.register_buffer("weight", torch.zeros(()))
        self.register_buffer("matrix", torch.eye(size))

    @torch.no_grad()
    def update(self, features: Tensor, mask: Tensor) -> None:
        """Take in `features` `[..., n]` where `mask` `[...]` holds; nothing happens where it holds nowhere."""
        with torch.autocast(features.device.type, enabled=False):
            weights = mask.flatten().float()
            weights = (weights / weights.sum().clamp(min=1)).unsqueeze(-1)
            rows = torch.where(mask.unsqueeze(-1), features, 0.0).float().flatten(0, -2)
            rate = self.rate * mask.any()
            self.mean.lerp_((rows * weights).sum(0), rate)
            self.second.lerp_(rows.mT @ (rows * weights), rate)
            self.weight.lerp_(torch.ones_like(self.weight), rate)
            mean = self.mean / self.weight.clamp(min=1e-8)
            covariance = self.second / self.weight.clamp(min=1e-8) - torch.outer(mean, mean)
            identity = torch.eye(len(mean), device=mean.device)
            # Rounding may leave a slightly negative eigenvalue, which the floor covers; not so in half precision.
            lower = torch.linalg.cholesky_ex(covariance + self.floor * identity).L
            found = torch.linalg.solve_triangular(lower, identity, upper=False)
            self.matrix.copy_(torch.where(found.isfinite().all() & (self.weight > 0), found, self.matrix))

    def forward(self, features: Tensor) -> Tensor:
        """Map features `[..., n]`, in float32; the identity before the first `update`."""
        with torch.autocast(features.device.type, enabled=False):
            mean = self.mean / self.weight.clamp(min=1e-8)
            return (features.float() - mean) @ self.matrix.mT
