"""PQN: action values learnt from whole rollouts, kept stable by norms alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.diagnosis import read_metrics
from engram.agents.exploration import annealed, epsilon_greedy
from engram.agents.networks.heads import Encoded
from engram.agents.networks.q_network import QNetwork, allowed_values, best_value
from engram.agents.networks.recurrent import MakeCore
from engram.agents.on_policy.agent import OnPolicyAgent
from engram.agents.on_policy.losses import value_loss
from engram.agents.on_policy.sequences import sequences_with_next
from engram.agents.pqn.settings import PQNSettings
from engram.agents.returns import lambda_returns, masked_means
from engram.agents.trainable import Metrics
from engram.common.rows import Act, Rollout


class PQN(OnPolicyAgent):
    """Q(λ) with any memory core: no replay, no target network; every minibatch computes its targets anew.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete.
        make_core: builds a memory core from `input_size`.
        make_network: builds the network from the two spaces and `make_core`.
        **settings: the fields of `PQNSettings`.

    Raises:
        ValueError: for a space or a setting that cannot work.

    Source: Gallici et al., "Simplifying deep temporal difference learning", 2024, with the targets of Peng's Q(λ).
    """

    settings: PQNSettings
    network: QNetwork
    num_uniforms = 2

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_network: Callable[..., QNetwork] = QNetwork,
        **settings: Annotated[Any, PQNSettings],
    ) -> None:
        super().__init__(observation_space, action_space, PQNSettings(**settings))
        self.make_parts(make_network, make_core)
        self._epsilon = torch.ones((), device=self.device)  # a tensor, which recorded play reads

    def epsilon(self, env_steps: int) -> float:
        """Say the probability of a random action in the rollout that begins at `env_steps`."""
        settings = self.settings
        progress = env_steps / settings.total_env_steps
        return annealed(settings.epsilon_start, settings.epsilon_end, progress, settings.epsilon_fraction)

    def policy(self, env_steps: int) -> Act:
        """Act with the ε of that time; see `Agent`."""
        self._epsilon.fill_(self.epsilon(env_steps))
        return super().policy(env_steps)

    def choose(
        self, row: TensorDictBase, memory: TensorDictBase, noise: Tensor, deterministic: bool, donate: bool
    ) -> tuple[Tensor, TensorDict, dict[str, Tensor]]:
        """Choose the best actions, or random ones; the extra is `policy`, the values of all that are allowed."""
        values, next_memory = self.network.step(row, memory, donate=donate)
        mask = row.get("action_mask", None)
        extras = {"policy": allowed_values(values, mask)}
        if deterministic:
            return extras["policy"].argmax(-1), next_memory, extras
        return epsilon_greedy(values, mask, self._epsilon, noise), next_memory, extras

    def learn_from(self, rollout: Rollout, env_steps: int) -> Metrics:
        """Learn from a rollout; see `Agent.learn_from`."""
        batch = sequences_with_next(rollout, self.carry_every)
        terms = self.learn_minibatches(batch)
        measured = {name: values.mean() for name, values in terms.items()}
        metrics = read_metrics(measured, {"rows": batch["rows"], "losses": terms}, self.ranks)
        self.network.update_normalizers(rollout.rows)
        return {**metrics, "epsilon": self.epsilon(env_steps)}

    def minibatch_loss(
        self, rows: TensorDictBase, encoded: Encoded, **inputs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `OnPolicyAgent.minibatch_loss`."""
        with self.precision.autocast():
            values = self.network.read(encoded, rows.get("action_mask", None))
        value = values.gather(-1, rows["action"].unsqueeze(-1)).squeeze(-1)[:, :-1]
        mask, target = rows["mask"][:, :-1], self._targets(rows, values.detach())
        of_rows = {
            "value": value_loss(value, value, target, None),
            "mean_value": value.detach(),
            "mean_target": target,
        }
        terms = masked_means(of_rows, mask, self.ranks)
        return terms["value"], terms

    def _targets(self, rows: TensorDictBase, values: Tensor) -> Tensor:
        """Compute the returns that values are taught, `[n, T]`, of rows `[n, T + 1]` and values `[n, T + 1, k]`."""
        is_terminal = rows["is_terminal"][:, 1:]
        best = best_value(values, rows.get("action_mask", None))[:, 1:]
        return lambda_returns(
            rows["reward"][:, 1:],
            torch.where(is_terminal, 0.0, self.settings.gamma),
            torch.where(is_terminal, 0.0, best),  # it may be anything
            rows["is_last"][:, 1:],
            gae_lambda=self.settings.gae_lambda,
        )
