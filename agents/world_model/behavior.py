"""Behaviour learnt in imagination: actor and critic on the states of a world model."""

from __future__ import annotations

import torch
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.target_copy import follow, target_copy
from engram.agents.returns import lambda_returns, masked_mean, masked_means
from engram.agents.world_model.dynamics import Observed
from engram.agents.world_model.layers import TwoHotHead
from engram.agents.world_model.policy import Policy
from engram.agents.world_model.return_scale import ReturnScale
from engram.agents.world_model.settings import DreamerSettings
from engram.agents.world_model.two_hot import TwoHot
from engram.agents.world_model.world_model import Imagined, WorldModel
from engram.common.ranks import ALONE, Ranks


class Behavior(nn.Module):
    """Actor, critic, the critic's moving average, and the scale of returns.

    Args:
        action_space: Discrete, MultiDiscrete or Box.
        world_model: the model whose states it reads.
        settings: sizes and options.

    Raises:
        ValueError: if it is to read nothing but the carry of a core that keeps none.

    Attributes:
        ranks: from whose rows it learns.

    Source: Hafner et al. 2023 (DreamerV3), section "Actor critic learning"; the choice of what is read: Samsami et
    al. 2024 (R2I).
    """

    ranks: Ranks = ALONE

    def __init__(
        self, action_space: spaces.Space, world_model: WorldModel, settings: DreamerSettings
    ) -> None:
        super().__init__()
        self.settings = settings
        units, layers, norm = settings.units, settings.num_layers, settings.norm
        sizes = {
            "h": world_model.dynamics.memory_size,
            "z": settings.num_categoricals * settings.num_classes,
            "carry": 0,
        }
        if "carry" in settings.actor_reads:
            sizes["carry"] = world_model.dynamics.core.carry_size()
        # A core without a memory brings nothing: what reads z and the carry sees z alone.
        self.reads = [name for name in settings.actor_reads if sizes[name]]
        if not self.reads:
            raise ValueError(
                "Actor and critic must read something: expected a core with a memory where agent.actor_reads is "
                f"[carry] alone, but got {type(world_model.dynamics.core).__name__}, which keeps none; add z or h."
            )
        size = sum(sizes[name] for name in self.reads)
        self.actor = Policy(action_space, size, units, layers, norm, settings.unimix, settings.actor_scale)
        bins = settings.bins, settings.num_bins, settings.bin_decay
        self.critic = TwoHotHead(size, units, layers, norm, *bins)
        self.slow_critic = target_copy(self.critic)
        self.return_scale = ReturnScale(settings.return_rate)

    def read(self, world_model: WorldModel, h: Tensor, z: Tensor, core: TensorDictBase) -> Tensor:
        """Put together what actor and critic see of states `[...]`, in float32, `[..., n]`."""
        parts = {"h": lambda: h, "z": lambda: z.flatten(-2)}
        parts["carry"] = lambda: world_model.dynamics.core.carry_features(core)
        return torch.cat([parts[name]().float() for name in self.reads], dim=-1)

    def losses(
        self, world_model: WorldModel, imagined: Imagined, continues: Tensor, mask: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """Learn from imagined trajectories.

        Args:
            world_model: predicts rewards and discounts of their states.
            imagined: `[N, H + 1]`, with `reads` (and `allowed`) kept. With `actor_gradient=dynamics` it has gradients.
            continues: 0 for starts that are terminal, else 1, `[N]`.
            mask: starts that count, `[N]` bool.

        Returns:
            Losses `actor` and `critic` (scalars), the λ-returns `[N, H]` without gradients, and measurements.
        """
        settings, reads = self.settings, imagined.kept["reads"]
        through_model = settings.actor_gradient == "dynamics"
        prediction = self.critic(reads.detach())
        with torch.set_grad_enabled(through_model):
            reached = imagined.features[:, 1:]
            reward, discount = world_model.reward(reached), world_model.discount(reached)
            value = (self.critic(reads) if through_model else prediction).mean()
            returns = lambda_returns(reward, discount, value[:, 1:], gae_lambda=settings.gae_lambda)
        rows_mask = mask.unsqueeze(1).expand_as(returns)
        self.return_scale.update(returns, rows_mask)
        scale = self.return_scale.scale()
        advantage = (returns - value[:, :-1]) / scale
        weight = torch.cat([continues.unsqueeze(1), discount[:, :-1]], dim=1).detach().cumprod(1)

        allowed = imagined.kept.get("allowed", None)
        policy = self.actor(reads[:, :-1].detach(), None if allowed is None else allowed[:, :-1])
        entropy = policy.entropy()
        log_prob = policy.log_prob(imagined.actions.detach())
        gain = advantage if through_model else log_prob * advantage.detach()
        actor_loss = -weight * (gain + settings.entropy_coef * entropy)
        critic_loss = weight * self._critic_loss(prediction[:, :-1], reads[:, :-1].detach(), returns.detach())
        of_rows = {
            "critic": critic_loss,
            "policy_entropy": entropy.detach(),
            "imagined_reward": reward.detach(),
            "imagined_return": returns.detach(),
            "value": value[:, :-1].detach(),
            "advantage_size": advantage.detach().abs(),
        }
        measured = {**masked_means(of_rows, rows_mask, self.ranks), "return_scale": scale}
        # The actor's has a reverse of its own.
        losses = {"actor": masked_mean(actor_loss, rows_mask, self.ranks), "critic": measured.pop("critic")}
        return losses, returns.detach(), measured

    def replay_loss(
        self, world_model: WorldModel, rows: TensorDictBase, observed: Observed, returns: Tensor, mask: Tensor
    ) -> Tensor:
        """Teach the critic the λ-returns of the replayed rewards themselves.

        They are closed by imagined returns where there are some, else by values. The gradient goes into the world
        model too.

        Args:
            world_model: the model that observed the rows.
            rows: `[B, T]`.
            observed: from them.
            returns: imagined returns of the rows imagined from, `[B, starts]`.
            mask: rows that count `[B, T]` bool.

        Returns:
            A scalar.

        Source: DreamerV3 since 2024 (its `repval` loss).
        """
        reads = self.read(world_model, observed.h, observed.z, observed.core)
        is_last = rows["is_last"].clone()
        is_last[:, :-1] |= rows["is_first"][:, 1:]  # a stream may be cut without an end
        prediction = self.critic(reads)
        with torch.no_grad():
            closing = prediction.mean()
            closing[:, self.settings.start_rows] = returns
            discount = torch.where(rows["is_terminal"], 0.0, self.settings.gamma)
            target = lambda_returns(
                rows["reward"][:, 1:],
                discount[:, 1:],
                closing[:, 1:],
                is_last[:, 1:],
                gae_lambda=self.settings.gae_lambda,
            )
        loss = self._critic_loss(prediction[:, :-1], reads[:, :-1], target)
        return masked_mean(loss, mask[:, :-1] & ~is_last[:, :-1], self.ranks)

    def update_slow_critic(self) -> None:
        """Move the critic's moving average by one update."""
        follow(self.slow_critic, self.critic, self.settings.slow_critic_rate)

    def _critic_loss(self, prediction: TwoHot, reads: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy with the target and with the moving average's mean, `[...]`."""
        scale = self.settings.slow_critic_scale
        if scale == 0:
            return -prediction.log_prob(target)
        with torch.no_grad():
            slow = self.slow_critic(reads).mean()
        if scale == 1:  # one reading of the prediction for both
            return -prediction.log_prob(target, slow)
        return -prediction.log_prob(target) - scale * prediction.log_prob(slow)
