"""The policy of a world-model agent: features in, action distribution out."""

from __future__ import annotations

import torch
from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.networks.distributions import (
    ActionDistribution,
    DiagonalGaussian,
    make_distribution,
    num_policy_outputs,
    split_parts,
)
from engram.agents.world_model.latents import unimix
from engram.agents.world_model.layers import Head, Norm

MIN_STD, MAX_STD = 0.1, 1.0


class Policy(nn.Module):
    """Dense blocks to a distribution over actions.

    Discrete choices are mixed with the uniform distribution over all options, then masked. Box actions are normal
    with a mean in [-1, 1] and a standard deviation in (0.1, 1), in the policy's own units: environments map them to
    finite bounds (`engram.envs.BoxActions`).

    Args:
        action_space: Discrete, MultiDiscrete or Box.
        input_size: features in.
        units: width of the blocks.
        num_layers: number of blocks.
        norm: of the blocks.
        unimix_ratio: share of the uniform distribution.
        scale: of the output's initial weights.

    Source: Hafner et al. 2023 (DreamerV3).
    """

    def __init__(
        self,
        action_space: spaces.Space,
        input_size: int,
        units: int,
        num_layers: int,
        norm: Norm,
        unimix_ratio: float,
        scale: float,
    ) -> None:
        super().__init__()
        self.action_space, self.unimix_ratio = action_space, unimix_ratio
        self.num_outputs = num_policy_outputs(action_space)
        parameters = 2 * self.num_outputs if isinstance(action_space, spaces.Box) else self.num_outputs
        self.head = Head(input_size, parameters, units, num_layers, norm, scale)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> ActionDistribution:
        """Read features `[..., input_size]`; `mask` `[..., num_outputs]` bool holds the actions allowed."""
        outputs = self.head(features).float()
        if isinstance(self.action_space, spaces.Box):
            mean, raw = outputs.chunk(2, dim=-1)
            std = MIN_STD + (MAX_STD - MIN_STD) * torch.sigmoid(raw + 2.0)
            return DiagonalGaussian(mean.tanh(), std.log(), self.action_space.shape)
        parts = [unimix(part, self.unimix_ratio) for part in split_parts(self.action_space, outputs)]
        mixed = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        return make_distribution(self.action_space, mixed, None, mask)
