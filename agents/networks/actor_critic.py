"""Encoder → memory core → policy and value, one module for acting and learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.distributions import ActionDistribution, make_distribution, num_policy_outputs
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.heads import Encoded, Head, beside
from engram.agents.networks.mlp import Activation
from engram.common.checked import Checked
from engram.common.option_types import Count, NotNegative, Number
from engram.memory_cores import MemoryCore, Resets


class MakeCore(Protocol):
    """A core that waits for its input size."""

    def __call__(self, *, input_size: int) -> MemoryCore: ...  # noqa: D102


class ActorCritic(Checked, nn.Module):
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
        super().__init__()
        self.action_space, self.shortcut = action_space, shortcut
        num_outputs = num_policy_outputs(action_space)
        self.encoder = make_encoder(observation_space, action_space)
        self.core = make_core(input_size=self.encoder.output_size)
        self.critic_encoder: Encoder | None = None
        self.critic_core: MemoryCore | None = None
        if separate_critic_core:
            self.critic_encoder = make_encoder(observation_space, action_space)
            self.critic_core = make_core(input_size=self.critic_encoder.output_size)

        input_size = self.core.output_size + (self.encoder.output_size if shortcut else 0)

        layers = head_hidden_sizes, num_outputs, activation, head_gain, policy_gain
        self.policy_head = Head(input_size, *layers)
        self.value_head = Head(input_size, head_hidden_sizes, 1, activation, head_gain)
        is_continuous = isinstance(action_space, spaces.Box)
        self.log_std = nn.Parameter(torch.full((num_outputs,), initial_log_std)) if is_continuous else None

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Carry of the core, and of the critic's core if it has one, `[B]`."""
        carry = {"core": self.core.initial_carry(batch_size)}
        if self.critic_core is not None:
            carry["critic_core"] = self.critic_core.initial_carry(batch_size)
        return TensorDict(carry, batch_size=[batch_size])

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
        self, rows: TensorDictBase, carry: TensorDictBase, host_is_first: Tensor | None = None
    ) -> Encoded:
        """Run encoders and cores over a sequence, for `read`; arguments as of `forward`."""
        resets = Resets(rows["is_first"], host_is_first)
        x = self.encoder(rows)
        y, _ = self.core(x, carry["core"], resets)
        if self.critic_core is None or self.critic_encoder is None:
            return Encoded(x, y)
        critic_x = self.critic_encoder(rows)
        critic_y, _ = self.critic_core(critic_x, carry["critic_core"], resets)
        return Encoded(x, y, Encoded(critic_x, critic_y))

    def read(self, encoded: Encoded, mask: Tensor | None) -> tuple[ActionDistribution, Tensor]:
        """Policy and value of encoded rows, `[*]` each; `mask` says which actions are allowed, `[*, n]`."""
        outputs = self.policy_head(beside(encoded.y, encoded.x, self.shortcut))
        distribution = make_distribution(self.action_space, outputs, self.log_std, mask)
        of_critic = encoded.critic or encoded
        value = self.value_head(beside(of_critic.y, of_critic.x, self.shortcut))
        return distribution, value.squeeze(-1)

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
        self.encoder.observation.update_normalizers(rows)
        if self.critic_encoder is not None:
            self.critic_encoder.observation.update_normalizers(rows)
