"""Running mean and variance of observations, kept in the checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engram.common.ranks import ALONE, Ranks


class RunningNormalizer(nn.Module):
    """Shift and scale vectors by the mean and variance of everything seen so far.

    The statistics change only in `update`, which the agent calls after learning from a rollout: acting
    and learning on the same rows therefore see the same numbers.

    Args:
        size: length of the vectors.
        clip: bound on the normalised values, in standard deviations.

    Attributes:
        ranks: whose vectors are taken in together.

    Source: parallel variance of Chan, Golub and LeVeque 1979, in float64.
    """

    def __init__(self, size: int, clip: float = 10.0) -> None:
        super().__init__()
        self.clip = clip
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("squared_deviation", torch.zeros(size, dtype=torch.float64))

    ranks: Ranks = ALONE
    count: Tensor
    mean: Tensor
    squared_deviation: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` `[..., size]`; the identity until the first update.

        Returns:
            float32 `[..., size]`, clipped to `±clip`.
        """
        variance = self.squared_deviation / self.count.clamp(min=1)
        scale = torch.where(self.count > 1, (variance + 1e-8).rsqrt(), 1.0)
        normalized = (x - self.mean.float()) * scale.float()
        return torch.where(self.count > 1, normalized.clamp(-self.clip, self.clip), x)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take the vectors `x` `[..., size]` into the statistics."""
        x = x.reshape(-1, x.shape[-1]).double()
        if self.ranks.is_many:
            every = torch.ones(x.shape[0], dtype=torch.bool, device=x.device)
            number, mean, squared_deviation = self.ranks.moments(x, every)
            count: Tensor | int = number
        else:
            count, mean = x.shape[0], x.mean(0)
            squared_deviation = (x - mean).square().sum(0)
        delta, total = mean - self.mean, self.count + count
        self.squared_deviation += squared_deviation + delta.square() * self.count * count / total
        self.mean += delta * count / total
        self.count.fill_(total)
