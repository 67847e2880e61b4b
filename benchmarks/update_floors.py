"""The networks-only floors of updates: frozen code, not to be made slower.

The same forward and backward passes as an agent's update, on ready rows, with the library's GRU or LSTM without resets
(any other core: itself, without resets) and the library's optimiser; no draw, no targets, no loss terms, no move of a
target network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.base import Agent
from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.heads import beside
from engram.agents.networks.q_network import QNetwork
from engram.agents.networks.recurrent import RecurrentNetwork
from engram.agents.networks.soft_actor_critic import SoftActorCritic
from engram.agents.on_policy.agent import OnPolicyAgent
from engram.memory_cores import GRU, LSTM, MemoryCore

LIBRARY: dict[type[MemoryCore], Callable[..., nn.Module]] = {GRU: nn.GRU, LSTM: nn.LSTM}


class WithoutResets(nn.Module):
    """A core that is called without resets, as the library's are.

    Args:
        core: any.
    """

    def __init__(self, core: MemoryCore) -> None:
        super().__init__()
        self.core = core

    def forward(self, x: Tensor, carry: TensorDictBase | None = None) -> tuple[Tensor, TensorDictBase]:
        """Run it over `[B, T, input_size]`."""
        is_first = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        return self.core(x, self.core.initial_carry(len(x)) if carry is None else carry, is_first)


class Features(nn.Module):
    """Encoder and memory: what the heads read of rows behind a burn-in.

    Args:
        encoder: the agent's.
        core: the agent's, in whose place the library's is taken where there is one.
        shortcut: the heads read the encoder's features too.
        norm: of the core's output. Default: none.
        burn_in: rows without a gradient. Default: 0.
    """

    def __init__(
        self,
        encoder: nn.Module,
        core: MemoryCore,
        shortcut: bool,
        norm: nn.Module | None = None,
        burn_in: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.shortcut, self.burn_in = encoder, shortcut, burn_in
        self.norm = nn.Identity() if norm is None else norm
        library = LIBRARY.get(type(core))
        width: Any = encoder.output_size
        self.memory: nn.Module = (
            WithoutResets(core) if library is None else library(width, core.output_size, batch_first=True)
        )

    def forward(self, rows: TensorDictBase) -> Tensor:
        """Run it over `[B, T]`; returns `[B, T - burn_in, feature_size]`."""
        carry: Any = None
        if self.burn_in:
            with torch.no_grad():
                _, carry = self.memory(self.encoder(rows[:, : self.burn_in]), carry)
        x = self.encoder(rows[:, self.burn_in :])
        return beside(self.norm(self.memory(x, carry)[0]), x, self.shortcut)


def _features(network: RecurrentNetwork, burn_in: int) -> Features:
    return Features(network.encoder, network.core, network.shortcut, network.norm, burn_in)


class ActorCriticPasses(nn.Module):
    """Policy and value, of memories together or apart."""

    def __init__(self, network: ActorCritic) -> None:
        super().__init__()
        self.own = Features(network.encoder, network.core, network.shortcut)
        self.critic: Features | None = None
        if network.critic_core is not None and network.critic_encoder is not None:
            self.critic = Features(network.critic_encoder, network.critic_core, network.shortcut)
        self.policy_head, self.value_head = network.policy_head, network.value_head

    def forward(self, rows: TensorDictBase) -> Tensor:
        """Sum all outputs."""
        seen = self.own(rows)
        of_critic = seen if self.critic is None else self.critic(rows)
        return self.policy_head(seen).sum() + self.value_head(of_critic).sum()


class ValuePasses(nn.Module):
    """Values of all actions, and those of a target network without a gradient where there is one."""

    def __init__(self, network: QNetwork, burn_in: int, has_target: bool) -> None:
        super().__init__()
        features = _features(network, burn_in)
        heads = [head for head in (network.advantage_head, network.value_head) if head is not None]
        self.online = nn.ModuleList([features, *heads])
        self.target = copy.deepcopy(self.online).requires_grad_(False) if has_target else None

    def forward(self, rows: TensorDictBase) -> Tensor:
        """Sum all values."""
        if self.target is not None:
            with torch.no_grad():
                self._values(self.target, rows)
        return self._values(self.online, rows)

    @staticmethod
    def _values(network: nn.ModuleList, rows: TensorDictBase) -> Tensor:
        features, *heads = network
        seen = features(rows)
        return torch.stack([head(seen).sum() for head in heads]).sum()


class SoftActorCriticPasses(nn.Module):
    """Policy, twin values of what was done and of what the policy does, and those of the target critic."""

    def __init__(self, network: SoftActorCritic, burn_in: int) -> None:
        super().__init__()
        critic, actor = network.critic, network.actor
        self.critic = _features(critic, burn_in)
        self.actor = None if actor is None else _features(actor, burn_in)
        self.values, self.policy_head = critic.values, network.policy_head
        self.target = copy.deepcopy(nn.ModuleList([self.critic, self.values])).requires_grad_(False)
        self.is_discrete = not hasattr(network.action_space, "low")
        self.burn_in = burn_in

    def forward(self, rows: TensorDictBase) -> Tensor:
        """Sum all outputs."""
        seen = self.critic(rows)
        policy = self.policy_head(seen.detach() if self.actor is None else self.actor(rows))
        actions = () if self.is_discrete else (policy.chunk(2, dim=-1)[0],)
        with torch.no_grad():
            features, values = self.target
            values(features(rows), *actions)
        if self.is_discrete:
            return self.values(seen).sum() + policy.sum()
        taken = self.values(seen, rows[:, self.burn_in :]["action"])
        return taken.sum() + self.values(seen.detach(), *actions).sum() + policy.sum()


class NetworksOnly:
    """The passes of one update.

    Args:
        agent: whose networks, sizes and settings are used.
        rows: to run them on, `[B, T]`; those of a rollout are learnt from in minibatches, several times over.
    """

    def __init__(self, agent: Agent, rows: TensorDictBase) -> None:
        self.rows = rows.clone()
        self.passes = passes_of(agent).to(agent.device)
        self.epochs, self.minibatches = 1, 1
        if isinstance(agent, OnPolicyAgent):
            self.epochs, self.minibatches = agent.settings.num_epochs, agent.settings.num_minibatches
        self.parameters = [part for part in self.passes.parameters() if part.requires_grad]
        # A learning rate of 0 does all the work and leaves the agent's parameters alone.
        self.optimizer = torch.optim.Adam(self.parameters, lr=0.0, fused=True)

    def learn(self) -> None:
        """One update's worth of passes."""
        for rows in self._batches():
            loss = self.passes(rows)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()

    def _batches(self) -> Iterator[TensorDictBase]:
        if self.minibatches == 1:
            yield from [self.rows] * self.epochs
            return
        for _ in range(self.epochs):
            order = torch.arange(len(self.rows), device=self.rows.device)
            yield from (self.rows[index] for index in order.tensor_split(self.minibatches))


def has_floor(agent: Agent) -> bool:
    """Tell whether the agent's network is of a kind that has a floor here."""
    return isinstance(getattr(agent, "network", None), ActorCritic | QNetwork | SoftActorCritic)


def passes_of(agent: Agent) -> nn.Module:
    """Make the passes of an agent's update, of one that `has_floor`."""
    network: Any = getattr(agent, "network")  # noqa: B009
    burn_in = getattr(agent.settings, "burn_in", 0)
    if isinstance(network, ActorCritic):
        return ActorCriticPasses(network)
    if isinstance(network, QNetwork):
        return ValuePasses(network, burn_in, has_target=not isinstance(agent, OnPolicyAgent))
    return SoftActorCriticPasses(network, burn_in)
