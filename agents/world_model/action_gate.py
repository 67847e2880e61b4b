"""How the last action multiplies what a memory says."""

from __future__ import annotations

import math

import torch
from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.networks.features import action_feature_size


class ActionGate(nn.Module):
    """Multiply by 1 + G a, where a are an action's features; with a = 0, where an episode begins, by 1.

    A reward is often for an action that fits what was seen long ago, and such an exclusive or is linear in products of
    both alone. Those of this gate are there from the first update on.

    Args:
        action_space: Discrete, MultiDiscrete or Box.
        size: numbers that are multiplied.
    """

    def __init__(self, action_space: spaces.Space, size: int) -> None:
        super().__init__()
        num_features = action_feature_size(action_space)
        # So many of the features are about 1 at a time: the factors begin with a deviation of about 1.
        active = 1 if isinstance(action_space, spaces.Discrete) else math.prod(action_space.shape or ())
        self.weight = nn.Parameter(torch.randn(size, num_features) / math.sqrt(active))

    def forward(self, said: Tensor, action: Tensor) -> Tensor:
        """Multiply `said` `[..., size]` by the factors of the features `action` `[..., num_features]`."""
        return said * (1 + nn.functional.linear(action, self.weight))
