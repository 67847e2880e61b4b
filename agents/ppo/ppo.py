"""Recurrent proximal policy optimisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.base import Agent
from engram.agents.diagnosis import raise_first_nonfinite
from engram.agents.networks.actor_critic import ActorCritic, MakeCore
from engram.agents.networks.distributions import num_policy_outputs
from engram.agents.optim.muon import MuonWithAdam
from engram.agents.optim.optimizer_state import load_optimizer_state, optimizer_form, optimizer_state
from engram.agents.ppo.loss import (
    approximate_kl,
    clip_fraction,
    clipped_policy_loss,
    explained_variance,
    value_loss,
)
from engram.agents.ppo.settings import PPOSettings
from engram.agents.returns import generalized_advantages, masked_mean, normalize
from engram.common.option_types import Count, Seed
from engram.common.rows import Rollout
from engram.common.state_form import Real, Whole
from engram.common.streams import (
    environment_keys,
    permutation,
    seeded_initializers,
    stream_key,
    stream_uniform,
)


class PPO(Agent):
    """PPO with any memory core: acts row by row, learns from whole sequences.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, MultiDiscrete or Box.
        make_core: builds a memory core from `input_size`.
        make_network: builds the actor-critic from the two spaces and `make_core`.
        total_env_steps: horizon of the schedules, in real transitions.
        seed: of the parameters and of all noise.
        device: where the parameters live.
        **settings: the fields of `PPOSettings`.

    Raises:
        ValueError: for a space or a setting that cannot work.

    Source: Schulman et al. 2017; recurrent minibatches drawn over environments.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_network: Callable[..., ActorCritic] = ActorCritic,
        total_env_steps: Count = 1_000_000,
        seed: Seed = 0,
        device: str | torch.device = "cpu",
        **settings: Annotated[Any, PPOSettings],
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.settings = PPOSettings(**settings)
        self.total_env_steps, self.seed = total_env_steps, seed
        self.rollout_length = self.settings.rollout_length
        self.carry_every = self.settings.bptt_length or self.settings.rollout_length
        self.num_uniforms = num_policy_outputs(action_space)
        self._device = torch.device(device)
        with seeded_initializers(stream_key(seed, "parameters")):
            self.network = make_network(observation_space, action_space, make_core).to(self._device)
        self._parameters = list(self.network.parameters())
        rate, epsilon = self.settings.learning_rate, self.settings.adam_epsilon
        self.optimizer: torch.optim.Optimizer
        if self.settings.optimizer == "muon":
            self.optimizer = MuonWithAdam(self._parameters, lr=rate, eps=epsilon)
        else:
            self.optimizer = torch.optim.Adam(self._parameters, lr=rate, eps=epsilon, fused=True)
        self.num_updates = 0
        self.kl_coef = self.settings.kl_coef

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self._device

    @torch.no_grad()
    def initial_carry(self, batch_size: int, seed: int | None = None, first_index: int = 0) -> TensorDict:
        """Make the carry to start acting with: the network's, and the streams of action noise.

        Args:
            batch_size: number of environments B.
            seed: of the action noise. Default: the agent's own.
            first_index: global index of the first environment, when several processes share a seed.

        Returns:
            TensorDict `[B]`.
        """
        carry = self.network.initial_carry(batch_size)
        key = stream_key(self.seed if seed is None else seed, "actions")
        carry["noise_key"] = environment_keys(key, batch_size, first_index, self._device)
        carry["noise_counter"] = torch.zeros(batch_size, dtype=torch.int64, device=self._device)
        return carry

    def check_num_envs(self, num_envs: int) -> None:
        """Refuse a number of environments that gives fewer sequences than minibatches; see `Agent`."""
        num_sequences = num_envs * self.rollout_length // self.carry_every
        if self.settings.num_minibatches > num_sequences:
            raise ValueError(
                "Minibatches are drawn over sequences, so there can be no more minibatches than sequences: "
                f"expected num_minibatches <= {num_sequences}, but got {self.settings.num_minibatches}; "
                "use more environments, fewer minibatches or a shorter bptt_length."
            )

    @torch.no_grad()
    def act(
        self, row: TensorDictBase, carry: TensorDictBase, deterministic: bool = False, donate: bool = False
    ) -> tuple[Tensor, TensorDict, TensorDict]:
        """Choose actions; extras are `log_prob` and `value` `[B]` (and `policy` where a KL penalty needs it)."""
        distribution, value, next_carry = self.network.step(row, carry, donate=donate)
        if deterministic:
            action = distribution.mode()
        else:
            noise = stream_uniform(carry["noise_key"], carry["noise_counter"], self.num_uniforms)
            action = distribution.sample(noise)
        next_carry["noise_key"] = carry["noise_key"]
        next_carry["noise_counter"] = carry["noise_counter"] + 1
        extras = {"log_prob": distribution.log_prob(action), "value": value}
        if self.settings.kl_coef > 0:
            extras["policy"] = distribution.parameters
        return action, next_carry, TensorDict(extras, batch_size=row.batch_size)

    def update(self, rollout: Rollout, env_steps: int) -> dict[str, float]:
        """Learn from a rollout; see `Agent.update`."""
        learning_rate = self._set_learning_rate(env_steps)
        batch = self._prepare(rollout)
        host_is_first = batch["rows", "is_first"].cpu()  # one copy per update; cores choose their path by it
        terms = []
        for host_index, index in self._minibatches(batch.batch_size[0]):
            rows, carry = batch["rows"][index], batch["carry"][index]
            terms.append(self._learn_minibatch(rows, carry, host_is_first[host_index]))
        stacked = {name: torch.stack([term[name] for term in terms]) for name in terms[0]}
        metrics = self._read(stacked, batch["rows"])
        if not all(math.isfinite(metrics[name]) for name in stacked):
            raise_first_nonfinite({"rows": batch["rows"], "losses": stacked})
        self.network.update_normalizers(rollout.rows)
        self.num_updates += 1
        self._adapt_kl_coef(metrics.get("kl_divergence", 0.0))
        return {**metrics, "optim/learning_rate": learning_rate}

    @staticmethod
    def _read(stacked: dict[str, Tensor], rows: TensorDictBase) -> dict[str, float]:
        """Bring the metrics of an update to the host, all at once: each copy waits for the device.

        Args:
            stacked: the losses' terms of every minibatch, `[minibatches]` each.
            rows: the rollout's, with `target` and `mask`.

        Returns:
            The terms' means, which are finite if all of them are, and what describes the whole update.
        """
        measured = {name: values.mean() for name, values in stacked.items()}
        measured["explained_variance"] = explained_variance(rows["value"], rows["target"], rows["mask"])
        # Acting and learning must agree on the collected rows: this is the standing check for leaks.
        measured["initial_log_prob_difference"] = stacked["log_prob_difference"][0]
        return dict(zip(measured, torch.stack(list(measured.values())).tolist(), strict=True))

    @torch.no_grad()
    def _prepare(self, rollout: Rollout) -> TensorDict:
        """Add masks, advantages and targets; cut into sequences of `bptt_length` rows, `[N]`."""
        settings, rows = self.settings, rollout.rows
        _, pending_value, _ = self.network.step(rollout.pending, rollout.pending_carry)

        def shifted(key: str) -> Tensor:
            return torch.cat([rows[key][:, 1:], rollout.pending[key].unsqueeze(1)], dim=1)

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
            advantage = normalize(advantage, mask)
        rows = rows.clone(recurse=False).update({"mask": mask, "advantage": advantage, "target": target})
        num_sequences = rows.batch_size[0] * rows.batch_size[1] // self.carry_every
        return TensorDict(
            {
                "rows": rows.reshape(num_sequences, self.carry_every),
                "carry": rollout.carries.reshape(num_sequences),
            },
            batch_size=[num_sequences],
        )

    def _minibatches(self, num_sequences: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the sequences of every minibatch of every epoch, in host memory and on the device."""
        keys = [
            stream_key(self.seed, "minibatches", self.num_updates, epoch)
            for epoch in range(self.settings.num_epochs)
        ]
        orders = torch.stack([permutation(num_sequences, key) for key in keys])
        count = self.settings.num_minibatches
        for order, device_order in zip(orders, orders.to(self._device), strict=True):  # one copy per update
            yield from zip(order.tensor_split(count), device_order.tensor_split(count), strict=True)

    def _learn_minibatch(
        self, rows: TensorDictBase, carry: TensorDictBase, host_is_first: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One gradient step on sequences `[N, T]`; returns the terms of the loss, detached."""
        settings = self.settings
        distribution, value = self.network(rows, carry, host_is_first)
        mask, old_log_prob, advantage = rows["mask"], rows["log_prob"], rows["advantage"]
        log_prob = distribution.log_prob(rows["action"])
        if settings.normalize_advantage == "minibatch":
            advantage = normalize(advantage, mask)
        terms = {
            "policy": clipped_policy_loss(log_prob, old_log_prob, advantage, mask, settings.clip_range),
            "value": value_loss(value, rows["value"], rows["target"], mask, settings.value_clip_range),
            "entropy": masked_mean(distribution.entropy(), mask),
        }
        loss = (
            terms["policy"] + settings.value_coef * terms["value"] - settings.entropy_coef * terms["entropy"]
        )
        if settings.kl_coef > 0:
            divergence = distribution.rebuild(rows["policy"]).kl_divergence(distribution)
            terms["kl_divergence"] = masked_mean(divergence, mask)
            loss = loss + self.kl_coef * terms["kl_divergence"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        terms["optim/gradient_norm"] = torch.nn.utils.clip_grad_norm_(
            self._parameters, settings.max_grad_norm or float("inf")
        )
        self.optimizer.step()
        with torch.no_grad():
            terms["approximate_kl"] = approximate_kl(log_prob, old_log_prob, mask)
            terms["clip_fraction"] = clip_fraction(log_prob, old_log_prob, mask, settings.clip_range)
            difference = torch.where(mask, (log_prob - old_log_prob).abs(), 0.0)
            terms["log_prob_difference"] = difference.max()
        return {name: term.detach() for name, term in terms.items()}

    def _set_learning_rate(self, env_steps: int) -> float:
        learning_rate = self.settings.scheduled_learning_rate(env_steps / self.total_env_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def _adapt_kl_coef(self, kl_divergence: float) -> None:
        """Steer the KL penalty towards `kl_target`, as RLlib does (Schulman et al. 2017, section 4)."""
        if kl_divergence > 2.0 * self.settings.kl_target:
            self.kl_coef *= 1.5
        elif kl_divergence < 0.5 * self.settings.kl_target:
            self.kl_coef *= 0.5

    def state_dict(self) -> dict[str, Any]:
        """Parameters, normalisers, optimiser and counters."""
        return {
            "network": dict(self.network.state_dict()),
            "optimizer": optimizer_state(self.optimizer),
            "num_updates": self.num_updates,
            "kl_coef": self.kl_coef,
        }

    def state_form(self) -> dict[str, Any]:
        """What `state_dict` gives here, however far learning has come; see `Agent.state_form`."""
        return {
            **self.state_dict(),
            "optimizer": optimizer_form(self.optimizer),
            "num_updates": Whole(),
            "kl_coef": Real(low=0),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave.

        Raises:
            RuntimeError: if the parameters do not fit, as those of another core do not.
        """
        self.network.load_state_dict(state["network"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        self.num_updates, self.kl_coef = state["num_updates"], state["kl_coef"]
