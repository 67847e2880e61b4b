"""Encoder → memory core → values of all actions, one module for acting and learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.networks.encoder import Encoder
from engram.agents.networks.heads import Encoded, Head
from engram.agents.networks.mlp import Activation
from engram.agents.networks.recurrent import MakeCore, RecurrentNetwork
from engram.agents.outlook import Output, of_allowed
from engram.common.option_types import Count, NotNegative


class QNetwork(RecurrentNetwork):
    """A recurrent network of action values: the only place where a value-based agent touches its memory core.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete.
        make_core: builds a memory core from `input_size`.
        make_encoder: builds the encoder from the two spaces.
        head_hidden_sizes: widths of the layers between the core and the values.
        activation: of these layers.
        head_gain: orthogonal gain of these layers.
        value_gain: orthogonal gain of the last layer; small, so that no action leads before it is tried.
        core_norm: LayerNorm of the core's output, with which values stay bounded without a target network.
        dueling: Q = V + A − the mean of A over the allowed actions, with a head for each.
        shortcut: the heads read the encoder's features beside the core's output.

    Raises:
        ValueError: for a space that the agent cannot read or act in.

    Source: Mnih et al. 2015; Wang et al. 2016 for `dueling`; Gallici et al. 2024 for the norms.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_encoder: Callable[..., Encoder] = Encoder,
        head_hidden_sizes: Sequence[Count] = (128,),
        activation: Activation = "leaky_relu",
        head_gain: NotNegative = 2.0,
        value_gain: NotNegative = 0.01,
        core_norm: bool = True,
        dueling: bool = False,
        shortcut: bool = False,
    ) -> None:
        if not isinstance(action_space, spaces.Discrete):
            raise ValueError(
                f"Values of all actions need a Discrete action space, but got {action_space}; take agent=ppo."
            )
        super().__init__(observation_space, action_space, make_core, make_encoder, core_norm, shortcut)
        layers = activation, head_gain, value_gain
        self.advantage_head = Head(self.feature_size, head_hidden_sizes, int(action_space.n), *layers)
        self.value_head = Head(self.feature_size, head_hidden_sizes, 1, *layers) if dueling else None

    def forward(
        self,
        rows: TensorDictBase,
        carry: TensorDictBase,
        host_is_first: Tensor | None = None,
        burn_in: int = 0,
    ) -> Tensor:
        """Values of all actions on every row of a sequence, by one call of the core.

        Args:
            rows: `[B, T]`.
            carry: before row 0, `[B]`.
            host_is_first: the rows' `is_first` in host memory, for the cores' fastest paths on a device.
            burn_in: rows at the beginning that only warm the memory up, see `RecurrentNetwork.features`.

        Returns:
            `[B, T - burn_in, n]`; what is forbidden has a value like any other, see `best_value`.
        """
        mask = rows.get("action_mask", None)
        encoded = self.encode(rows, carry, host_is_first, burn_in)
        return self.read(encoded, None if mask is None else mask[:, burn_in:])

    def read(self, encoded: Encoded, mask: Tensor | None) -> Tensor:
        """Values of all actions on encoded rows, `[*, n]`; `mask` says what is allowed, `[*, n]`."""
        return self._values(self.read_core(encoded), mask)

    def outputs(self, rows: TensorDictBase, encoded: Encoded) -> dict[str, Output]:
        """See `RecurrentNetwork.outputs`; the value is that of the best action."""
        mask = rows.get("action_mask", None)
        values = self.read(encoded, mask)
        return {
            "action": Output(of_allowed(values, mask), encoded.x),
            "value": Output(best_value(values, mask).unsqueeze(-1), encoded.x),
        }

    def step(
        self, row: TensorDictBase, carry: TensorDictBase, donate: bool = False
    ) -> tuple[Tensor, TensorDict]:
        """The same for one row per environment.

        Args:
            row: `[B]`.
            carry: before this row, `[B]`.
            donate: allow the core to overwrite `carry`.

        Returns:
            Values `[B, n]`, and the carry after this row.
        """
        features, carry = self.step_features(row, carry, donate)
        return self._values(features, row.get("action_mask", None)), carry

    def _values(self, features: Tensor, mask: Tensor | None) -> Tensor:
        advantage: Tensor = self.advantage_head(features)
        if self.value_head is None:
            return advantage
        if mask is None:
            mean = advantage.mean(-1, keepdim=True)
        else:
            allowed = torch.where(mask, advantage, 0.0).sum(-1, keepdim=True)
            mean = allowed / mask.sum(-1, keepdim=True).clamp(min=1)
        return self.value_head(features) + advantage - mean


def usable(mask: Tensor) -> Tensor:
    """Say which actions count, `[*, n]`: those allowed, or all where none is, as may be on an episode's last row."""
    return mask | ~mask.any(-1, keepdim=True)


def allowed_values(values: Tensor, mask: Tensor | None) -> Tensor:
    """Put what is forbidden below all that is allowed, `[*, n]`."""
    return values if mask is None else torch.where(usable(mask), values, torch.finfo(values.dtype).min)


def best_value(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the highest value of an allowed action, `[*]`."""
    return allowed_values(values, mask).amax(-1)
