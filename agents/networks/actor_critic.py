"""Encoder → memory core → policy and value, one module for acting and learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.distributions import ActionDistribution, make_distribution, num_policy_outputs
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.heads import Encoded, Head
from engram.agents.networks.mlp import Activation
from engram.agents.networks.recurrent import MakeCore, RecurrentNetwork, run_rows
from engram.agents.outlook import Output, of_allowed
from engram.common.option_types import Count, NotNegative, Number
from engram.memory_cores import MemoryCore


class ActorCritic(RecurrentNetwork):
    """A recurrent actor-critic: the only place where an actor-critic agent touches its memory core.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, MultiDiscrete or Box.
        make_core: builds a memory core from `input_size`.
        make_encoder: builds the encoder from the two spaces.
        head_hidden_sizes: widths of the policy's and the value's own layers after the core.
        activation: of these layers.
        head_gain: orthogonal gain of these layers.
        policy_gain: orthogonal gain of the policy's last layer; small makes the first policy uniform.
        initial_log_std: of the Gaussian for Box actions, a trained number per component.
        separate_critic_core: give the critic an encoder and a core of its own.
        shortcut: policy and value read the encoder's features beside the core's output, so that a core whose
            units are slow need not carry what is seen right now.

    Raises:
        ValueError: for a space that agents cannot read or act in.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_encoder: Callable[..., Encoder] = Encoder,
        head_hidden_sizes: Sequence[Count] = (128, 128),
        activation: Activation = "leaky_relu",
        head_gain: NotNegative = 2.0,
        policy_gain: NotNegative = 0.01,
        initial_log_std: Number = 0.0,
        separate_critic_core: bool = False,
        shortcut: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space, make_core, make_encoder, False, shortcut)
        self.action_space = action_space
        self.critic_encoder: Encoder | None = None
        self.critic_core: MemoryCore | None = None
        if separate_critic_core:
            self.critic_encoder = make_encoder(observation_space, action_space)
            self.critic_core = make_core(input_size=self.critic_encoder.output_size)

        num_outputs = num_policy_outputs(action_space)
        layers = head_hidden_sizes, num_outputs, activation, head_gain, policy_gain
        self.policy_head = Head(self.feature_size, *layers)
        self.value_head = Head(self.feature_size, head_hidden_sizes, 1, activation, head_gain)
        is_continuous = isinstance(action_space, spaces.Box)
        self.log_std = nn.Parameter(torch.full((num_outputs,), initial_log_std)) if is_continuous else None

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Carry of the core, and of the critic's core if it has one, `[B]`."""
        carry = super().initial_carry(batch_size)
        if self.critic_core is not None:
            carry["critic_core"] = self.critic_core.initial_carry(batch_size)
        return carry

    def forward(
        self, rows: TensorDictBase, carry: TensorDictBase, host_is_first: Tensor | None = None
    ) -> tuple[ActionDistribution, Tensor]:
        """Policy and value of every row of a sequence, by one call of the core.

        Args:
            rows: `[B, T]`.
            carry: before row 0, `[B]`.
            host_is_first: the rows' `is_first` in host memory, for the cores' fastest paths on a device.

        Returns:
            Action distributions and values, both `[B, T]`.
        """
        return self.read(self.encode(rows, carry, host_is_first), rows.get("action_mask", None))

    def encode(
        self,
        rows: TensorDictBase,
        carry: TensorDictBase,
        host_is_first: Tensor | None = None,
        burn_in: int = 0,
    ) -> Encoded:
        """Run encoders and cores over a sequence, for `read`; see `RecurrentNetwork.encode`."""
        encoded = super().encode(rows, carry, host_is_first, burn_in)
        if self.critic_core is None or self.critic_encoder is None:
            return encoded
        critic = self.critic_encoder, self.critic_core
        return encoded._replace(critic=run_rows(*critic, rows, carry["critic_core"], host_is_first, burn_in))

    def read(self, encoded: Encoded, mask: Tensor | None) -> tuple[ActionDistribution, Tensor]:
        """Policy and value of encoded rows, `[*]` each; `mask` says which actions are allowed, `[*, n]`."""
        outputs = self.policy_head(self.read_core(encoded))
        distribution = make_distribution(self.action_space, outputs, self.log_std, mask)
        value = self.value_head(self.read_core(encoded.critic or encoded))
        return distribution, value.squeeze(-1)

    def outputs(self, rows: TensorDictBase, encoded: Encoded) -> dict[str, Output]:
        """See `RecurrentNetwork.outputs`."""
        mask, of_value = rows.get("action_mask", None), (encoded.critic or encoded).x
        policy, value = self.read(encoded, mask)
        return {
            "action": Output(of_allowed(policy.parameters, mask), encoded.x),
            "log_prob": Output(policy.log_prob(rows["action"]).unsqueeze(-1), encoded.x),
            "value": Output(value.unsqueeze(-1), of_value),
        }

    def step(
        self, row: TensorDictBase, carry: TensorDictBase, donate: bool = False
    ) -> tuple[ActionDistribution, Tensor, TensorDict]:
        """The same for one row per environment.

        Args:
            row: `[B]`.
            carry: before this row, `[B]`.
            donate: allow the cores to overwrite `carry`.

        Returns:
            Action distributions `[B]`, values `[B]`, and the carry after this row.
        """
        is_first, next_carry = row["is_first"], {}
        x = self.encoder(row)
        y, next_carry["core"] = self.core.step(x, carry["core"], is_first, donate=donate)
        encoded = Encoded(x, y)
        if self.critic_core is not None and self.critic_encoder is not None:
            x, own_carry = self.critic_encoder(row), carry["critic_core"]
            y, next_carry["critic_core"] = self.critic_core.step(x, own_carry, is_first, donate=donate)
            encoded = encoded._replace(critic=Encoded(x, y))
        policy, value = self.read(encoded, row.get("action_mask", None))
        return policy, value, TensorDict(next_carry, batch_size=row.batch_size)

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """Take the observations of `rows` into the running statistics, where normalisation is on."""
        super().update_normalizers(rows)
        if self.critic_encoder is not None:
            self.critic_encoder.observation.update_normalizers(rows)
