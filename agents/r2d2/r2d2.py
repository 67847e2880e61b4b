"""R2D2: a recurrent network of action values, learnt from a replay, with priorities and a memory that is warm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.auxiliary import AuxiliaryLosses, GradientNorms, Window, make_auxiliary_losses
from engram.agents.captured_update import CapturedUpdate
from engram.agents.exploration import epsilon_greedy, epsilons
from engram.agents.networks.q_network import QNetwork, allowed_values
from engram.agents.networks.recurrent import MakeCore
from engram.agents.networks.target_copy import follow, target_copy
from engram.agents.outlook import Outlook
from engram.agents.r2d2.settings import R2D2Settings
from engram.agents.replay import Batch, ReplayAgent
from engram.agents.returns import masked_means
from engram.agents.targets import n_step_returns, rescale, unrescale
from engram.agents.trainable import Metrics


class R2D2(ReplayAgent):
    """Double Q-learning over n steps from a replay, with any memory core: from windows of it, or whole episodes.

    Both networks run over a window once, from the same carry and through the same burn-in, so that the values of a row
    and of those behind it come of one pass; gradients stop at the burn-in's end.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete.
        make_core: builds a memory core from `input_size`.
        make_network: builds the network from the two spaces and `make_core`.
        **settings: the fields of `R2D2Settings`.

    Raises:
        ValueError: for a space or a setting that cannot work.

    Source: Kapturowski et al., "Recurrent experience replay in distributed reinforcement learning", 2019.
    """

    settings: R2D2Settings
    auxiliary: AuxiliaryLosses | None
    num_uniforms = 2

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        make_network: Callable[..., QNetwork] = QNetwork,
        **settings: Annotated[Any, R2D2Settings],
    ) -> None:
        super().__init__(observation_space, action_space, R2D2Settings(**settings))
        with self.seeded():
            self.network = make_network(observation_space, action_space, make_core).to(self.device)
            auxiliary = make_auxiliary_losses(self.settings.auxiliary, self.network, action_space)
        self.auxiliary = None if auxiliary is None else auxiliary.to(self.device)
        self._parameters = list(self.network.parameters())
        if self.auxiliary is not None:
            self._parameters += self.auxiliary.trained_parameters()
        self.target_network = target_copy(self.network)
        rate, epsilon = self.settings.learning_rate, self.settings.adam_epsilon
        self.optimizer = torch.optim.Adam(self._parameters, lr=rate, eps=epsilon, fused=True)
        self._learning = CapturedUpdate(self._fill_gradients, self.device, finish=self._move)

    @property
    def acting_networks(self) -> dict[str, nn.Module]:
        """See `LearnedState`: the target network only teaches."""
        return {"network": self.network}

    def why_no_actors(self, is_stale: bool) -> str | None:
        """See `LearnedState.why_no_actors`."""
        return None if self.auxiliary is None else "agent.auxiliary has losses that are not written for it"

    def initial_memory(self, batch_size: int) -> TensorDict:
        """Make the network's carry; see `Agent`."""
        return self.network.initial_carry(batch_size)

    def initial_carry(self, batch_size: int, seed: int | None = None, first_index: int = 0) -> TensorDict:
        """Make the carry, with every environment's probability of a random action; see `Agent`."""
        carry = super().initial_carry(batch_size, seed, first_index)
        index = torch.arange(first_index, first_index + batch_size, device=self.device)
        # Without a seed it is the run's, in which every rank has as many environments.
        total = self.ranks.count * batch_size if seed is None else first_index + batch_size
        carry["epsilon"] = epsilons(index, total, self.settings.epsilon, self.settings.epsilon_alpha)
        return carry

    def outlook(self, rows: TensorDictBase, memory: TensorDictBase) -> Outlook:
        """See `Agent.outlook`."""
        return self.network.outlook(rows, memory)

    def stored_carry(self, carry: TensorDictBase) -> TensorDict:
        """Select the network's carry; see `ReplayAgent`."""
        return super().stored_carry(carry).exclude("epsilon")

    def choose(
        self, row: TensorDictBase, memory: TensorDictBase, noise: Tensor, deterministic: bool, donate: bool
    ) -> tuple[Tensor, TensorDict, dict[str, Tensor]]:
        """Choose the best actions, or random ones; the extra is `policy`, the values of all that are allowed."""
        values, next_memory = self.network.step(row, memory, donate=donate)
        mask, epsilon = row.get("action_mask", None), memory["epsilon"]
        next_memory["epsilon"] = epsilon
        extras = {"policy": allowed_values(values, mask)}
        if deterministic:
            return extras["policy"].argmax(-1), next_memory, extras
        return epsilon_greedy(values, mask, epsilon, noise), next_memory, extras

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """See `ReplayAgent`; the target's follow at the next update."""
        self.network.update_normalizers(rows)

    def learn_from(self, batch: Batch, env_steps: int) -> Metrics:
        """Make one gradient step; see `ReplayAgent.learn_from`."""
        found = self._learning(
            rows=batch.rows,
            carry=batch.carry,
            is_trained=batch.is_trained,
            weights=batch.weights,
            host_is_first=None if self._learning.is_captured else batch.host_is_first,
        )
        metrics = self.read_metrics(
            batch, found["error"], found["mask"], found["metrics"], {"rows": batch.rows}
        )
        self._learning.finish()
        if (self.num_updates + 1) % self.settings.target_update_interval == 0:
            follow(self.target_network, self.network, self.settings.target_update_rate)
        return metrics

    def _fill_gradients(
        self,
        rows: TensorDict,
        carry: TensorDict,
        is_trained: Tensor,
        weights: Tensor | None = None,
        host_is_first: Tensor | None = None,
    ) -> dict[str, Any]:
        """Compute the loss and its gradients, clipped; returns what `read_metrics` takes."""
        begin = self.settings.burn_in
        behind, is_trained = rows[:, begin:], is_trained[:, begin:]
        norms = GradientNorms()
        with self.precision.autocast():
            encoded = self.network.encode(rows, carry, host_is_first, begin)
            y = encoded.y
            if self.auxiliary is not None:
                encoded = encoded._replace(y=norms.branch("agent", y))
            values = self.network.read(encoded, behind.get("action_mask", None))
            with torch.no_grad():
                target_values = self.target_network(rows, carry, host_is_first, begin)
        value = values.gather(-1, behind["action"].unsqueeze(-1)).squeeze(-1)[:, :-1]
        with torch.no_grad():
            target = self.targets(behind, values, target_values)
        mask = (is_trained & ~behind["is_last"])[:, :-1]
        error = target - value
        squared = 0.5 * error.square()
        weighted = squared if weights is None else weights.unsqueeze(-1) * squared
        terms = masked_means(
            {"value": weighted, "mean_value": value.detach(), "mean_target": target}, mask, self.ranks
        )
        loss = terms["value"]
        if self.auxiliary is not None:
            window = Window(rows, carry, y, is_trained, host_is_first)
            with self.precision.autocast():
                auxiliary_loss, more = self.auxiliary(self.network, window, norms)
            loss, terms = loss + auxiliary_loss, terms | more
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.add_gradients(self._parameters)
        limit = self.settings.max_grad_norm or float("inf")
        terms["optim/gradient_norm"] = torch.nn.utils.clip_grad_norm_(self._parameters, limit)
        metrics = {name: term.detach() for name, term in (terms | norms.read()).items()}
        return {"metrics": metrics, "error": error.detach(), "mask": mask}

    def _move(self) -> None:
        """Move all parameters by their gradients."""
        self.optimizer.step()
        if self.auxiliary is not None:
            self.auxiliary.follow(self.network)

    def targets(self, rows: TensorDictBase, values: Tensor, target_values: Tensor) -> Tensor:
        """Compute what the values of actions are taught.

        Args:
            rows: `[B, T]`.
            values: of the network, `[B, T, n]`.
            target_values: of the target network, `[B, T, n]`.

        Returns:
            Of rows 0 … T − 2, `[B, T − 1]`, on the scale of the values.
        """
        settings = self.settings
        best = allowed_values(values, rows.get("action_mask", None)).argmax(-1, keepdim=True)
        bootstrap = target_values.gather(-1, best).squeeze(-1)[:, 1:]
        returns = n_step_returns(
            rows["reward"][:, 1:],
            (rows["is_last"] | rows["is_cut"])[:, 1:],
            rows["is_terminal"][:, 1:],
            unrescale(bootstrap) if settings.rescaling else bootstrap,
            gamma=settings.gamma,
            num_steps=settings.num_steps,
        )
        return rescale(returns) if settings.rescaling else returns
