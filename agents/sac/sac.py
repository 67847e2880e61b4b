"""SAC: a recurrent actor and a recurrent critic that learn from windows of a replay, for Box and Discrete actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.captured_update import CapturedUpdate
from engram.agents.networks.distributions import num_policy_outputs
from engram.agents.networks.recurrent import MakeCore
from engram.agents.networks.soft_actor_critic import SoftActorCritic
from engram.agents.networks.tanh_gaussian import TanhGaussian
from engram.agents.networks.target_copy import follow, target_copy
from engram.agents.optim.groups import clip_groups
from engram.agents.outlook import Outlook
from engram.agents.replay import Batch, ReplayAgent
from engram.agents.returns import masked_means
from engram.agents.sac.optimizer import make_optimizer
from engram.agents.sac.settings import SACSettings
from engram.agents.sac.soft_policy import EnumeratedPolicy, SampledPolicy, SoftPolicy
from engram.agents.sac.temperature import Temperature
from engram.agents.targets import n_step_returns
from engram.agents.trainable import Metrics


class SAC(ReplayAgent):
    """Soft actor-critic with any memory core.

    Actor, critic and target critic each run their memory over a window once, and actions enter behind it: values of a
    row and of the one behind it come of one pass, whatever was done there.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, or Box with finite bounds.
        make_core: builds a memory core from `input_size`.
        make_network: builds the network from the two spaces and `make_core`.
        **settings: the fields of `SACSettings`.

    Raises:
        ValueError: for a space or a setting that cannot work.

    Source: Haarnoja et al. 2018; Christodoulou 2019 for Discrete; Ni et al. 2022 for the memory.
    """

    settings: SACSettings
    acts_in_bounds = True

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_network: Callable[..., SoftActorCritic] = SoftActorCritic,
        **settings: Annotated[Any, SACSettings],
    ) -> None:
        super().__init__(observation_space, action_space, SACSettings(**settings))
        with self.seeded():
            self.network = make_network(observation_space, action_space, make_core).to(self.device)
        self.target_critic = target_copy(self.network.critic)
        self.temperature = Temperature(action_space, self.settings).to(self.device)
        self.optimizer = make_optimizer(self.network, self.temperature, self.settings)
        self.num_uniforms = num_policy_outputs(action_space)
        self._learning = CapturedUpdate(self._fill_gradients, self.device, finish=self._move)

    def initial_memory(self, batch_size: int) -> TensorDict:
        """Make the actor's carry, and the critic's where windows begin with it; see `Agent`."""
        return self.network.initial_carry(batch_size, with_critic=self.settings.carry_from == "stored")

    def outlook(self, rows: TensorDictBase, memory: TensorDictBase) -> Outlook:
        """See `Agent.outlook`."""
        return self.network.outlook(rows, memory)

    def choose(
        self, row: TensorDictBase, memory: TensorDictBase, noise: Tensor, deterministic: bool, donate: bool
    ) -> tuple[Tensor, TensorDict, dict[str, Tensor]]:
        """Draw actions, or take the policy's mode; the extra is `policy`."""
        policy, next_memory = self.network.step(row, memory, donate)
        action = policy.mode() if deterministic else policy.sample(noise)
        return action, next_memory, {"policy": policy.parameters}

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """See `ReplayAgent`; the target's follow at the next update."""
        self.network.update_normalizers(rows)

    def learn_from(self, batch: Batch, env_steps: int) -> Metrics:
        """Make one gradient step; see `ReplayAgent.learn_from`."""
        rows = batch.rows.to(self.device)
        found = self._learning(
            rows=rows,
            carry=batch.carry.to(self.device),
            mask=batch.is_trained.to(self.device),
            keys=self.noise_keys("policy"),
            weights=None if batch.windows is None else batch.windows.weights,
            host_is_first=None if self._learning.is_captured else batch.host_is_first,
        )
        metrics = self.read_metrics(batch, found["error"], found["counts"], found["metrics"], {"rows": rows})
        self._learning.finish()
        return metrics

    def losses(
        self,
        rows: TensorDictBase,
        carry: TensorDictBase,
        mask: Tensor,
        noise: Tensor,
        weights: Tensor | None = None,
        host_is_first: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Compute the three losses, each with a gradient to what it is named after alone, and what is measured.

        Args:
            rows: `[B, T]`.
            carry: before row 0, `[B]`.
            mask: rows that count, `[B, T]` bool.
            noise: of the policy's samples, uniform in (0, 1), `[B, T, num_uniforms]`.
            weights: of the windows in the critic's loss, `[B]`, where they were drawn by priorities.
            host_is_first: the rows' `is_first` in host memory, if it is there.

        Returns:
            `actor`, `critic` and `temperature_loss`, `entropy`, `temperature`, `mean_value` and `mean_target`; the
            mean of both values' errors `[B, T - burn_in - 1]`; and which of them count.
        """
        begin = self.settings.burn_in
        behind = rows[:, begin:]
        with self.precision.autocast():
            seen, target_seen, policy = self._run(rows, carry, noise[:, begin:], host_is_first)
            taken, own = policy.evaluate(self.network.critic.values, seen, behind["action"])
            with torch.no_grad():
                following = policy.value(self.target_critic.values, target_seen)
        temperature = self.temperature()
        with torch.no_grad():
            target = self.targets(behind, following + temperature * policy.entropy)
        counts = (mask[:, begin:] & ~behind["is_last"])[:, :-1]
        error = taken[..., :-1] - target
        squared = error.square().sum(0)
        terms = {
            "critic": squared if weights is None else weights.unsqueeze(-1) * squared,
            "actor": -(own + temperature * policy.entropy)[:, :-1],
            "entropy": policy.entropy.detach()[:, :-1],
            "mean_value": taken.detach().mean(0)[:, :-1],
            "mean_target": target,
        }
        allowed = behind.get("action_mask", None)
        allowed = None if allowed is None else allowed[:, :-1]
        loss = self.temperature.loss(terms["entropy"], allowed, counts, self.ranks)
        found = {
            **masked_means(terms, counts, self.ranks),
            "temperature_loss": loss,
            "temperature": temperature,
        }
        return found, error.detach().mean(0), counts

    def targets(self, rows: TensorDictBase, soft_value: Tensor) -> Tensor:
        """Compute what the critic is taught.

        Args:
            rows: `[B, T]`.
            soft_value: of these rows, with the entropy, by the target critic, `[B, T]`.

        Returns:
            Of rows 0 … T − 2, `[B, T − 1]`.
        """
        return n_step_returns(
            self.settings.reward_scale * rows["reward"][:, 1:],
            (rows["is_last"] | rows["is_cut"])[:, 1:],
            rows["is_terminal"][:, 1:],
            soft_value[:, 1:],
            gamma=self.settings.gamma,
            num_steps=self.settings.num_steps,
        )

    def _run(
        self, rows: TensorDictBase, carry: TensorDictBase, noise: Tensor, host_is_first: Tensor | None
    ) -> tuple[Tensor, Tensor, SoftPolicy]:
        """Run the memories behind the burn-in: what critic and target critic see, and the policy on the rows."""
        network, begin = self.network, self.settings.burn_in
        critic_carry = carry if network.actor is None else carry.get("critic", None)
        if critic_carry is None:  # not carried on while acting: the windows begin with initial ones
            critic_carry = network.critic.initial_carry(len(rows))
        seen = network.critic.features(rows, critic_carry, host_is_first, begin)
        with torch.no_grad():
            target_seen = self.target_critic.features(rows, critic_carry, host_is_first, begin)
        actor = network.actor
        own = seen.detach() if actor is None else actor.features(rows, carry, host_is_first, begin)
        mask = rows.get("action_mask", None)
        distribution = network.policy(own, None if mask is None else mask[:, begin:])
        if isinstance(distribution, TanhGaussian):
            return seen, target_seen, SampledPolicy(distribution, noise)
        return seen, target_seen, EnumeratedPolicy(distribution)

    def _fill_gradients(
        self,
        rows: TensorDict,
        carry: TensorDict,
        mask: Tensor,
        keys: TensorDict,
        weights: Tensor | None = None,
        host_is_first: Tensor | None = None,
    ) -> dict[str, Any]:
        """Compute all losses and their gradients, clipped; returns what `read_metrics` takes."""
        noise = self.lane_noise(keys["policy"], *rows.batch_size, self.num_uniforms)
        found, error, counts = self.losses(rows, carry, mask, noise, weights, host_is_first)
        self.optimizer.zero_grad(set_to_none=True)
        # The gradient of the temperature's is that of all ranks already, and they are added up.
        (found["actor"] + found["critic"] + found["temperature_loss"] / self.ranks.count).backward()
        self.ranks.add_gradients(
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        )
        metrics = {name: value.detach() for name, value in (found | clip_groups(self.optimizer)).items()}
        return {"metrics": metrics, "error": error, "counts": counts}

    def _move(self) -> None:
        """Move all parameters by their gradients, and the target critic after them."""
        self.optimizer.step()
        self.temperature.limit()
        follow(self.target_critic, self.network.critic, self.settings.target_update_rate)
