"""The size of a task's rewards, kept in the checkpoint: what a world model counts as 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engram.common.ranks import ALONE, Ranks


class RewardUnit(nn.Module):
    """Root mean square of all rewards so far that are not 0.

    Rewards of 0 do not count, so that a reward at an episode's end is as large as one on every row.

    Attributes:
        ranks: whose rewards are taken in together.
    """

    ranks: Ranks = ALONE

    count: Tensor
    squares: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("count", "squares"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, rewards: Tensor) -> None:
        """Take in `rewards` of any shape."""
        rewards = rewards.double()
        found = torch.stack([(rewards != 0).sum().double(), rewards.square().sum()])
        if self.ranks.is_many:
            found = self.ranks.gather(found).sum(0)
        self.count += found[0]
        self.squares += found[1]

    def scale(self) -> Tensor:
        """Return what rewards are multiplied by, a float32 number; 1 before there was any."""
        found = (self.count / self.squares.clamp(min=1e-300)).sqrt()
        return torch.where(self.squares > 0, found, torch.ones_like(found)).float()
