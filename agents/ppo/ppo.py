"""Recurrent proximal policy optimisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.captured_update import CapturedUpdate
from engram.agents.diagnosis import read_metrics
from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.distributions import num_policy_outputs
from engram.agents.networks.heads import Encoded
from engram.agents.networks.recurrent import MakeCore
from engram.agents.on_policy.agent import OnPolicyAgent
from engram.agents.on_policy.losses import explained_variance
from engram.agents.ppo.loss import LossRows, ppo_loss
from engram.agents.ppo.settings import PPOSettings
from engram.agents.returns import generalized_advantages, masked_mean, normalize
from engram.agents.trainable import Metrics
from engram.common.rows import Rollout
from engram.common.state_form import Real


class PPO(OnPolicyAgent):
    """PPO with any memory core: acts row by row, learns from whole sequences.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, MultiDiscrete or Box.
        make_core: builds a memory core from `input_size`.
        make_network: builds the actor-critic from the two spaces and `make_core`.
        **settings: the fields of `PPOSettings`.

    Raises:
        ValueError: for a space or a setting that cannot work.

    Source: Schulman et al. 2017; recurrent minibatches drawn over environments.
    """

    settings: PPOSettings
    network: ActorCritic
    counters: ClassVar = {**OnPolicyAgent.counters, "kl_coef": Real(low=0)}

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_network: Callable[..., ActorCritic] = ActorCritic,
        **settings: Annotated[Any, PPOSettings],
    ) -> None:
        super().__init__(observation_space, action_space, PPOSettings(**settings))
        self.num_uniforms = num_policy_outputs(action_space)
        self.stores_policy = self.settings.kl_coef > 0
        self.make_parts(make_network, make_core)
        self.kl_coef = self.settings.kl_coef
        self._preparation = CapturedUpdate(self._prepare_batch, self.device)

    @property
    def learns_from_stale_rows(self) -> bool:
        """See `OnPolicyAgent`: its ratio is to the policy that acted."""
        return True

    def choose(
        self, row: TensorDictBase, memory: TensorDictBase, noise: Tensor, deterministic: bool, donate: bool
    ) -> tuple[Tensor, TensorDict, dict[str, Tensor]]:
        """Choose actions; extras are `log_prob` and `value` `[B]`, and `policy`, which a KL penalty needs."""
        distribution, value, next_memory = self.network.step(row, memory, donate=donate)
        action = distribution.mode() if deterministic else distribution.sample(noise)
        extras = {"log_prob": distribution.log_prob(action), "value": value}
        return action, next_memory, {**extras, "policy": distribution.parameters}

    def learn_from(self, rollout: Rollout, env_steps: int) -> Metrics:
        """Learn from a rollout, in minibatches; see `Agent.learn_from`."""
        batch = self._prepare(rollout)
        rows = batch["rows"]
        kl_coef = torch.full((), self.kl_coef, device=self.device)
        terms = self.learn_minibatches(batch, kl_coef=kl_coef)
        measured = {name: values.mean() for name, values in terms.items()}
        measured["explained_variance"] = explained_variance(
            rows["value"], rows["target"], rows["mask"], self.ranks
        )
        # Acting and learning must agree on the collected rows: this is the standing check for leaks.
        measured["initial_log_prob_difference"] = terms["log_prob_difference"][0]
        metrics = read_metrics(measured, {"rows": rows, "losses": terms}, self.ranks)
        self.network.update_normalizers(rollout.rows)
        self._adapt_kl_coef(metrics.get("kl_divergence", 0.0))
        return metrics

    def _prepare(self, rollout: Rollout) -> TensorDict:
        """Add masks, advantages and targets; cut into sequences of `bptt_length` rows, `[N]`."""
        batch = self._preparation(
            rows=rollout.rows,
            carries=rollout.carries,
            pending=rollout.pending,
            pending_carry=rollout.pending_carry,
        )
        return (
            batch.copy()
        )  # a recording returns one and the same object, which minibatches would take for the last

    @torch.no_grad()
    def _prepare_batch(
        self, rows: TensorDict, carries: TensorDict, pending: TensorDict, pending_carry: TensorDict
    ) -> TensorDict:
        settings = self.settings
        with self.precision.autocast():
            _, pending_value, _ = self.network.step(pending, pending_carry)

        def shifted(key: str) -> Tensor:
            return torch.cat([rows[key][:, 1:], pending[key].unsqueeze(1)], dim=1)

        value = rows["value"]
        advantage = generalized_advantages(
            value,
            shifted("reward"),
            shifted("is_last"),
            shifted("is_terminal"),
            torch.cat([value[:, 1:], pending_value.unsqueeze(1)], dim=1),
            gamma=settings.gamma,
            gae_lambda=settings.gae_lambda,
        )
        mask = ~rows["is_last"]
        target = advantage + value
        if settings.normalize_advantage == "rollout":
            advantage = normalize(advantage, mask, ranks=self.ranks)
        # Minibatches are gathered leaf by leaf: what nothing reads any more is left out.
        rows = rows.exclude("is_last", "is_terminal")
        rows.update({"mask": mask, "advantage": advantage, "target": target})
        num_sequences = rows.batch_size[0] * rows.batch_size[1] // self.carry_every
        return TensorDict(
            {
                "rows": rows.reshape(num_sequences, self.carry_every),
                "carry": carries.exclude("noise_key", "noise_counter").reshape(num_sequences),
            },
            batch_size=[num_sequences],
        )

    def minibatch_loss(
        self, rows: TensorDictBase, encoded: Encoded, **inputs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `OnPolicyAgent.minibatch_loss`."""
        with self.precision.autocast():
            distribution, value = self.network.read(encoded, rows.get("action_mask", None))
        log_prob, entropy = distribution.log_prob(rows["action"]), distribution.entropy()
        loss, terms = ppo_loss(log_prob, entropy, value, LossRows.of(rows), self.settings, self.ranks)
        if self.settings.kl_coef > 0:
            divergence = distribution.rebuild(rows["policy"]).kl_divergence(distribution)
            terms["kl_divergence"] = masked_mean(divergence, rows["mask"], self.ranks)
            loss = loss + inputs["kl_coef"] * terms["kl_divergence"]
        return loss, terms

    def _adapt_kl_coef(self, kl_divergence: float) -> None:
        """Steer the KL penalty towards `kl_target`, as RLlib does (Schulman et al. 2017, section 4)."""
        if kl_divergence > 2.0 * self.settings.kl_target:
            self.kl_coef *= 1.5
        elif kl_divergence < 0.5 * self.settings.kl_target:
            self.kl_coef *= 0.5
