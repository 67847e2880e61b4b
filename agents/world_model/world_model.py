"""The world model: what will be seen, what it will pay, whether it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.distributions import num_policy_outputs, split_parts
from engram.agents.networks.leaves import observation_leaves
from engram.agents.networks.recurrent import MakeCore
from engram.agents.world_model.decoder import ObservationDecoder
from engram.agents.world_model.dynamics import Dynamics, Latent, Observed
from engram.agents.world_model.encoder import ObservationEncoder
from engram.agents.world_model.latents import balanced_kl, entropy
from engram.agents.world_model.layers import Head, TwoHotHead
from engram.agents.world_model.settings import DreamerSettings

# (latent [N], step) -> action [N, ...] and what else is to be kept of that step, [N]
ImaginedPolicy = Callable[[Latent, int], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True)
class Imagined:
    """Trajectories inside the model; N starts, H steps.

    Attributes:
        features: of the states 0 … H, `[N, H + 1, n]`.
        actions: taken in states 0 … H - 1, `[N, H, …]`.
        kept: what the policy kept of the states 0 … H, `[N, H + 1]`.
    """

    features: Tensor
    actions: Tensor
    kept: dict[str, Tensor]


class WorldModel(nn.Module):
    """Encoder, dynamics around a memory core, and heads that predict rows.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, MultiDiscrete or Box.
        make_core: builds a memory core from `input_size`.
        settings: sizes and options.

    Attributes:
        feature_size: length of a state's features, h and z side by side.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        settings: DreamerSettings,
    ) -> None:
        super().__init__()
        self.settings, self.action_space = settings, action_space
        units, layers, norm = settings.units, settings.num_layers, settings.norm
        leaves = observation_leaves(observation_space, settings.image_layout, settings.leaves)
        self.encoder = ObservationEncoder(leaves, units, layers, norm, settings.image_depth)
        self.dynamics = Dynamics(
            action_space,
            make_core,
            embedding_size=self.encoder.output_size,
            memory_size=settings.memory_size,
            memory_norm=settings.memory_norm,
            units=units,
            action_gain=settings.action_gain,
            action_gate=settings.action_gate,
            input_bias=settings.input_bias,
            num_categoricals=settings.num_categoricals,
            num_classes=settings.num_classes,
            posterior=settings.posterior,
            posterior_scale=settings.posterior_scale,
            unimix_ratio=settings.unimix,
            norm=norm,
        )
        self.feature_size = self.dynamics.memory_size + settings.num_categoricals * settings.num_classes
        self.decoder = ObservationDecoder(
            leaves, self.feature_size, units, layers, norm, settings.image_depth
        )
        self.reward_head = TwoHotHead(
            self.feature_size, units, layers, norm, settings.bins, settings.num_bins, settings.bin_decay
        )
        self.continue_head = Head(self.feature_size, 1, units, layers, norm)
        # Which actions are allowed in imagined states has to be predicted like everything else.
        self.mask_head: Head | None = None
        if not isinstance(action_space, spaces.Box):
            self.mask_head = Head(self.feature_size, num_policy_outputs(action_space), units, 1, norm)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Carry of the dynamics, `[B]`: `core` and `z`."""
        return self.dynamics.initial_carry(batch_size)

    def observe(
        self,
        rows: TensorDictBase,
        carry: TensorDictBase,
        noise: Tensor,
        all_carries: int = 0,
        host_is_first: Tensor | None = None,
    ) -> Observed:
        """Run over rows `[B, T]`; see `Dynamics.observe`."""
        embedding = self.encoder(rows)
        return self.dynamics.observe(embedding, rows, carry, noise, all_carries, host_is_first)

    def step(
        self, row: TensorDictBase, carry: TensorDictBase, noise: Tensor, donate: bool = False
    ) -> tuple[Latent, Tensor, TensorDict]:
        """Run over one row `[B]`.

        Returns:
            The latent `[B]`, the posterior's log-probabilities `[B, C, K]`, and the carry after the row `[B]`.
        """
        latent, posterior = self.dynamics.step(self.encoder(row), row, carry, noise, donate)
        z = latent.z.argmax(-1).to(torch.uint8)
        return latent, posterior, TensorDict({"core": latent.core, "z": z}, batch_size=row.batch_size)

    def losses(self, rows: TensorDictBase, observed: Observed) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hold the model against the rows it observed.

        Args:
            rows: `[B, T]`.
            observed: from `observe`.

        Returns:
            Losses, each to be weighted and summed, and further measurements; all `[B, T]`.
        """
        features = observed.features
        dynamics, representation = balanced_kl(observed.posterior, observed.prior, self.settings.free_nats)
        losses = self.decoder.losses(features, rows["obs"])
        losses |= {
            "reward": -self.reward_head(features).log_prob(rows["reward"]),
            "continue": _binary_loss(self.continue_head(features).squeeze(-1), self.continues(rows)),
            "dynamics": dynamics,
            "representation": representation,
        }
        if self.mask_head is not None and "action_mask" in rows.keys():
            mask_loss = _binary_loss(self.mask_head(features.detach()), rows["action_mask"].float())
            losses["action_mask"] = mask_loss.sum(-1)
        for name, loss in losses.items():
            assert loss.shape == rows.batch_size, (name, loss.shape)
        with torch.no_grad():
            measured = {
                "prior_entropy": entropy(observed.prior),
                "posterior_entropy": entropy(observed.posterior),
            }
        return losses, measured

    def continues(self, rows: TensorDictBase) -> Tensor:
        """What the continue head is to learn of rows `[...]`: 0 where they are terminal, else 1 (or γ)."""
        gamma = self.settings.gamma if self.settings.discount_in_continue else 1.0
        return (~rows["is_terminal"]).float() * gamma

    def imagine(self, starts: Latent, policy: ImaginedPolicy, horizon: int, noise: Tensor) -> Imagined:
        """Act inside the model.

        Args:
            starts: `[N]`.
            policy: chooses actions; called for the states 0 … horizon.
            horizon: actions taken, H.
            noise: uniform in (0, 1), `[H, N, C]`: the prior's draws.

        Returns:
            The trajectories, `[N, H + 1]`.
        """
        latent, features, actions, kept = starts, [starts.features], [], []
        constants: dict[str, Any] = {}
        for time in range(horizon):
            action, extras = policy(latent, time)
            actions.append(action)
            kept.append(extras)
            latent = self.dynamics.imagine_step(latent, action, noise[time], constants)
            features.append(latent.features)
        kept.append(policy(latent, horizon)[1])
        states = {name: torch.stack([extras[name] for extras in kept], 1) for name in kept[0]}
        return Imagined(torch.stack(features, 1), torch.stack(actions, 1), states)

    def reward(self, features: Tensor) -> Tensor:
        """Expected reward that arrives with states of `features` `[..., feature_size]`, `[...]`."""
        return self.reward_head(features).mean()

    def discount(self, features: Tensor) -> Tensor:
        """Weight of what follows states of `features`, γ included: `[...]`, 0 where the episode has ended."""
        logit = self.continue_head(features).squeeze(-1).float()
        if self.settings.discount_in_continue:
            return logit.sigmoid()
        return torch.where(logit > 0, self.settings.gamma, 0.0)

    def allowed_actions(self, features: Tensor) -> Tensor | None:
        """Predict the action mask of states, `[..., num_policy_outputs]` bool; one of every part at least."""
        if self.mask_head is None:
            return None
        parts = split_parts(self.action_space, self.mask_head(features))
        return torch.cat([(part > 0) | (part == part.amax(-1, keepdim=True)) for part in parts], dim=-1)


def _binary_loss(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
