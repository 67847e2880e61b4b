"""Actor and critic with a memory each: a policy for acting, and twin action values for learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.distributions import Categorical, num_policy_outputs
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.heads import Head
from engram.agents.networks.mlp import Activation
from engram.agents.networks.q_network import usable
from engram.agents.networks.recurrent import MakeCore, RecurrentNetwork
from engram.agents.networks.tanh_gaussian import TanhGaussian
from engram.agents.networks.twin_critic import TwinCritic
from engram.agents.outlook import Outlook, Output, of_allowed
from engram.common.box_actions import bounded
from engram.common.checked import Checked
from engram.common.option_types import Count, NotNegative


class SoftActorCritic(Checked, nn.Module):
    """A recurrent actor and a recurrent critic of action values.

    Without a core of its own the actor reads the critic's, and no gradient of it goes back there.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, or Box with finite bounds.
        make_core: builds a memory core from `input_size`.
        make_encoder: builds the encoder from the two spaces.
        head_hidden_sizes: widths of the layers between the memory and policy or values.
        activation: of these layers.
        head_gain: orthogonal gain of these layers.
        policy_gain: orthogonal gain of the policy's last layer; small makes the first policy uniform, or near it.
        value_gain: orthogonal gain of the values' last layers.
        core_norm: LayerNorm of the cores' output.
        separate_critic_core: give the critic an encoder and a core of its own.
        shortcut: policy and values read the encoder's features beside the core's output.

    Raises:
        ValueError: for a space that the agent cannot read or act in.

    Attributes:
        critic: encoder, core and values.
        actor: encoder and core that the policy reads; None: the critic's.
        policy_head: the policy's.

    Source: Ni et al., "Recurrent model-free RL can be a strong baseline for many POMDPs", 2022, for the separate cores.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_encoder: Callable[..., Encoder] = Encoder,
        head_hidden_sizes: Sequence[Count] = (256, 256),
        activation: Activation = "relu",
        head_gain: NotNegative = 1.4142135623730951,
        policy_gain: NotNegative = 0.01,
        value_gain: NotNegative = 1.0,
        core_norm: bool = False,
        separate_critic_core: bool = True,
        shortcut: bool = True,
    ) -> None:
        super().__init__()
        _check_actions(action_space)
        self.action_space = action_space
        of_memory = observation_space, action_space, make_core, make_encoder, core_norm, shortcut
        layers = activation, head_gain
        self.critic = TwinCritic(*of_memory, head_hidden_sizes, *layers, value_gain)
        self.actor = RecurrentNetwork(*of_memory) if separate_critic_core else None
        num_outputs = num_policy_outputs(action_space) * (2 if isinstance(action_space, spaces.Box) else 1)
        size = self.critic.feature_size
        self.policy_head = Head(size, head_hidden_sizes, num_outputs, *layers, policy_gain)

    def initial_carry(self, batch_size: int, with_critic: bool = False) -> TensorDict:
        """Carry of the core that acts, and of the critic's where that is another one and is asked for, `[B]`."""
        acting = self.critic if self.actor is None else self.actor
        carry = acting.initial_carry(batch_size)
        if with_critic and self.actor is not None:
            carry["critic"] = self.critic.initial_carry(batch_size)
        return carry

    def policy(self, features: Tensor, mask: Tensor | None) -> Categorical | TanhGaussian:
        """Read the policy off what it sees.

        Args:
            features: `[*, feature_size]`, of the actor.
            mask: allowed actions `[*, n]`, for Discrete only; None is all.

        Returns:
            Distributions, batch shape `[*]`.
        """
        outputs = self.policy_head(features)
        if isinstance(self.action_space, spaces.Box):
            mean, log_std = outputs.chunk(2, dim=-1)
            return TanhGaussian(mean, log_std, self.action_space.shape)
        return Categorical(outputs, None if mask is None else usable(mask))

    def outlook(self, rows: TensorDictBase, carry: TensorDictBase) -> Outlook:
        """Run what acts over rows `[B, T]`, with its carry before row 0, `[B]`; see `Agent.outlook`."""
        acting, mask = self.critic if self.actor is None else self.actor, rows.get("action_mask", None)
        encoded = acting.encode(rows, carry)
        numbers = self.policy(acting.read_core(encoded), mask).parameters
        outputs = {"action": Output(of_allowed(numbers, mask), encoded.x)}
        return Outlook(acting.core, carry["core"], encoded.x, encoded.y, outputs)

    def step(
        self, row: TensorDictBase, carry: TensorDictBase, donate: bool = False
    ) -> tuple[Categorical | TanhGaussian, TensorDict]:
        """Read the policy of one row per environment.

        Args:
            row: `[B]`.
            carry: before this row, `[B]`; where it holds the critic's, that is carried on too.
            donate: allow the cores to overwrite `carry`.

        Returns:
            Distributions `[B]`, and the carry after this row.
        """
        acting = self.critic if self.actor is None else self.actor
        features, next_carry = acting.step_features(row, carry, donate)
        if "critic" in carry.keys():
            _, next_carry["critic"] = self.critic.step_features(row, carry["critic"], donate)
        return self.policy(features, row.get("action_mask", None)), next_carry

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """Take the observations of `rows` into the running statistics, where normalisation is on."""
        for memory in (self.critic, self.actor):
            if memory is not None:
                memory.update_normalizers(rows)


def _check_actions(space: spaces.Space) -> None:
    if isinstance(space, spaces.Discrete) or (isinstance(space, spaces.Box) and bounded(space).all()):
        return
    raise ValueError(
        "A soft actor-critic acts in a Discrete space, or in a Box whose bounds are all finite, because it squashes "
        f"its actions to them, but got {space}; wrap the environment so that it takes one of these, or take agent=ppo."
    )
