"""IMPALA: an actor-critic that corrects for how its policy has moved on since the rows were made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.diagnosis import read_metrics
from engram.agents.impala.settings import IMPALASettings
from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.distributions import num_policy_outputs
from engram.agents.networks.heads import Encoded
from engram.agents.networks.recurrent import MakeCore
from engram.agents.on_policy.agent import OnPolicyAgent
from engram.agents.on_policy.losses import approximate_kl, value_loss
from engram.agents.on_policy.sequences import sequences_with_next
from engram.agents.returns import masked_means, normalize
from engram.agents.targets import VTrace, vtrace
from engram.agents.trainable import Metrics
from engram.common.rows import Rollout
from engram.common.zero_where import zero_unless


class IMPALA(OnPolicyAgent):
    """IMPALA's learner with any memory core, acting itself; with `correction="none"` A2C.

    Values are the learner's own, of the row behind a sequence too, by one pass of the memory from the carry that was
    stored while acting. An action of several parts has one ratio, that of all of them together.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, MultiDiscrete or Box.
        make_core: builds a memory core from `input_size`.
        make_network: builds the actor-critic from the two spaces and `make_core`.
        **settings: the fields of `IMPALASettings`.

    Raises:
        ValueError: for a space or a setting that cannot work.

    Source: Espeholt et al., "IMPALA: scalable distributed deep-RL with importance weighted actor-learner
    architectures", 2018; Mnih et al., "Asynchronous methods for deep reinforcement learning", 2016.
    """

    settings: IMPALASettings
    network: ActorCritic

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_network: Callable[..., ActorCritic] = ActorCritic,
        **settings: Annotated[Any, IMPALASettings],
    ) -> None:
        super().__init__(observation_space, action_space, IMPALASettings(**settings))
        self.num_uniforms = num_policy_outputs(action_space)
        self.make_parts(make_network, make_core)

    @property
    def learns_from_stale_rows(self) -> bool:
        """See `OnPolicyAgent`: V-trace corrects for it, and A2C does not."""
        return self.settings.correction == "vtrace"

    def choose(
        self, row: TensorDictBase, memory: TensorDictBase, noise: Tensor, deterministic: bool, donate: bool
    ) -> tuple[Tensor, TensorDict, dict[str, Tensor]]:
        """Choose actions; extras are their `log_prob` `[B]`, and `policy`."""
        distribution, _, next_memory = self.network.step(row, memory, donate=donate)
        action = distribution.mode() if deterministic else distribution.sample(noise)
        extras = {"log_prob": distribution.log_prob(action), "policy": distribution.parameters}
        return action, next_memory, extras

    def learn_from(self, rollout: Rollout, env_steps: int) -> Metrics:
        """Learn from a rollout; see `Agent.learn_from`."""
        batch = sequences_with_next(rollout, self.carry_every)
        terms = self.learn_minibatches(batch)
        measured = {name: values.mean() for name, values in terms.items()}
        # Acting and learning must agree on the collected rows: this is the standing check for leaks.
        measured["initial_log_prob_difference"] = terms["log_prob_difference"][0]
        metrics = read_metrics(measured, {"rows": batch["rows"], "losses": terms}, self.ranks)
        self.network.update_normalizers(rollout.rows)
        return metrics

    def minibatch_loss(
        self, rows: TensorDictBase, encoded: Encoded, **inputs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `OnPolicyAgent.minibatch_loss`."""
        settings = self.settings
        with self.precision.autocast():
            distribution, values = self.network.read(encoded, rows.get("action_mask", None))
        value, mask, old_log_prob = values[:, :-1], rows["mask"][:, :-1], rows["log_prob"][:, :-1]
        log_prob, entropy = distribution.log_prob(rows["action"])[:, :-1], distribution.entropy()[:, :-1]
        with torch.no_grad():
            log_ratio = log_prob - old_log_prob
            ratio = log_ratio.exp()
            target, advantage = self._targets(rows, values, ratio)
            if settings.normalize_advantage == "minibatch":
                advantage = normalize(advantage, mask, ranks=self.ranks)
        of_rows = {
            "policy": -log_prob * advantage,
            "value": value_loss(value, value, target, None),
            "entropy": entropy,
            "approximate_kl": approximate_kl(log_ratio, ratio),
            "mean_ratio": ratio,
            "rho_clipped": (ratio > settings.rho_bar).float(),
        }
        terms = masked_means(of_rows, mask, self.ranks)
        loss = (
            terms["policy"] + settings.value_coef * terms["value"] - settings.entropy_coef * terms["entropy"]
        )
        terms["log_prob_difference"] = zero_unless(mask, log_ratio.abs()).max()
        return loss, terms

    def _targets(self, rows: TensorDictBase, values: Tensor, ratio: Tensor) -> VTrace:
        """Compute what values and actions are taught, `[n, T]`, of rows and values `[n, T + 1]`."""
        settings = self.settings
        return vtrace(
            values[:, :-1],
            rows["reward"][:, 1:],
            rows["is_last"][:, 1:],
            rows["is_terminal"][:, 1:],
            values[:, 1:],
            ratio if settings.correction == "vtrace" else torch.ones_like(ratio),
            gamma=settings.gamma,
            gae_lambda=settings.gae_lambda,
            rho_bar=settings.rho_bar,
            c_bar=settings.c_bar,
            policy_rho_bar=settings.policy_rho_bar,
        )
