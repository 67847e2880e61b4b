"""A recurrent critic with two heads of action values, of which the smaller one is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.networks.distributions import num_policy_outputs
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.heads import Head
from engram.agents.networks.mlp import Activation
from engram.agents.networks.recurrent import MakeCore, RecurrentNetwork


class TwinValues(nn.Module):
    """Two heads that read a memory's features: for Discrete actions of all of them, for Box of one beside the features.

    The action enters behind the memory, so that one pass of it serves any number of actions.

    Args:
        action_space: Discrete or Box.
        feature_size: features in.
        hidden_sizes: widths of each head's layers.
        activation: of these layers.
        hidden_gain: orthogonal gain of these layers.
        gain: orthogonal gain of the last layers.

    Source: Fujimoto et al., "Addressing function approximation error in actor-critic methods", 2018.
    """

    def __init__(
        self,
        action_space: spaces.Space,
        feature_size: int,
        hidden_sizes: Sequence[int],
        activation: Activation,
        hidden_gain: float,
        gain: float,
    ) -> None:
        super().__init__()
        size = num_policy_outputs(action_space)
        is_discrete = isinstance(action_space, spaces.Discrete)
        inputs, outputs = (feature_size, size) if is_discrete else (feature_size + size, 1)
        layers = activation, hidden_gain, gain
        self.heads = nn.ModuleList(Head(inputs, hidden_sizes, outputs, *layers) for _ in range(2))

    def forward(self, features: Tensor, action: Tensor | None = None) -> Tensor:
        """Values by both heads.

        Args:
            features: `[*, feature_size]`.
            action: for Box, `[*, *shape]`; for Discrete, none.

        Returns:
            For Box `[2, *]`, for Discrete `[2, *, n]`.
        """
        if action is None:
            return torch.stack([head(features) for head in self.heads])
        flat = action.reshape(*features.shape[:-1], -1).to(features.dtype)
        inputs = torch.cat([features, flat], dim=-1)
        return torch.stack([head(inputs).squeeze(-1) for head in self.heads])


class TwinCritic(RecurrentNetwork):
    """Encoder, memory core, and two heads of action values.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete or Box.
        make_core: builds a memory core from `input_size`.
        make_encoder: builds the encoder from the two spaces.
        core_norm: LayerNorm of the core's output.
        shortcut: the heads read the encoder's features beside the core's output.
        hidden_sizes: widths of each head's layers.
        activation: of these layers.
        hidden_gain: orthogonal gain of these layers.
        gain: orthogonal gain of the last layers.

    Attributes:
        values: the heads, which read `features`.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        make_encoder: Callable[..., Encoder],
        core_norm: bool,
        shortcut: bool,
        hidden_sizes: Sequence[int],
        activation: Activation,
        hidden_gain: float,
        gain: float,
    ) -> None:
        super().__init__(observation_space, action_space, make_core, make_encoder, core_norm, shortcut)
        self.values = TwinValues(action_space, self.feature_size, hidden_sizes, activation, hidden_gain, gain)
