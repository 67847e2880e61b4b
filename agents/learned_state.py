"""What learning has changed in an agent: what of it is saved, and how large it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from tensordict import TensorDict
from torch import nn

from engram.agents.captured_update import CapturedUpdate
from engram.agents.networks.encoder import Encoder
from engram.agents.optim.groups import scale_rates
from engram.agents.optim.optimizer_state import load_optimizer_state, optimizer_form, optimizer_state
from engram.agents.settings import AgentSettings
from engram.common.ranks import ALONE, Ranks
from engram.common.state_form import Whole
from engram.memory_cores import MemoryCore


class LearnedState(ABC):
    """Finds modules and optimisers among an agent's attributes, saves them by their names, and counts them.

    Attributes:
        settings: all options but the spaces and what makes the networks.
        num_updates: so far.
        counters: names of further attributes that are saved, each with its form, see `engram.common.state_form`.
        auxiliary: what only teaches and never acts; its parameters are counted by themselves.
        ranks: the processes that it learns with, each from rows of its own; by default it is alone.
        learns_in_any_order: whether a rollout need not follow, environment by environment, the one before it.
    """

    settings: AgentSettings
    counters: ClassVar[Mapping[str, Any]] = {"num_updates": Whole()}
    num_updates: int = 0
    auxiliary: nn.Module | None = None
    ranks: Ranks = ALONE
    learns_in_any_order: bool = True

    @abstractmethod
    def initial_memory(self, batch_size: int) -> TensorDict:
        """See `Agent.initial_memory`."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The modules among the attributes, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, nn.Module)}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers among the attributes, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, torch.optim.Optimizer)}

    def learning_rate_share(self, env_steps: int) -> float:
        """Say which share of all learning rates is in force at `env_steps`; one's own schedule overrides it."""
        return self.settings.learning_rate_share(env_steps)

    def scale_learning_rates(self, env_steps: int) -> dict[str, float]:
        """Set the rates that optimisers were made with to the share of the time; returns the first, to be logged."""
        share = self.learning_rate_share(env_steps)
        rates = [scale_rates(optimizer, share) for optimizer in self.optimizers.values()]
        return {"optim/learning_rate": rates[0]} if rates else {}

    @property
    def cores(self) -> list[MemoryCore]:
        """The memory cores in the networks, those inside of others too."""
        parts = (part for network in self.networks.values() for part in network.modules())
        return [part for part in parts if isinstance(part, MemoryCore)]

    @property
    def reads_reward(self) -> bool:
        """Whether it acts by the reward that came with an observation, too."""
        parts = (part for network in self.networks.values() for part in network.modules())
        return any(isinstance(part, Encoder) and part.previous_reward for part in parts)

    @property
    def captured_updates(self) -> dict[str, CapturedUpdate]:
        """The parts of an update that can be recorded among the attributes, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, CapturedUpdate)}

    def why_alone(self, ranks: Ranks) -> str | None:
        """Say why it cannot learn together with these processes; None if it can."""
        return "this agent's losses are not written for it"

    @property
    def acting_networks(self) -> dict[str, nn.Module]:
        """The networks that `choose` reads, by name; by default all but what only teaches."""
        return {name: network for name, network in self.networks.items() if network is not self.auxiliary}

    def why_no_actors(self, is_stale: bool) -> str | None:
        """Say why it cannot learn from rows that other processes collect for it; None if it can.

        Args:
            is_stale: whether these may act with parameters of before the last update.
        """
        return "this agent is not written for it"

    def join(self, ranks: Ranks) -> None:
        """Learn with other processes from here on, from the leader's parameters: as one agent, from all their rows.

        Raises:
            ValueError: if it cannot.
        """
        if not ranks.is_many:
            return
        if reason := self.why_alone(ranks):
            raise ValueError(
                f"An agent must be one that several processes can train together, but this one is not ({reason}); "
                "train it in one process."
            )
        self.ranks = ranks
        for network in self.networks.values():
            ranks.copy_leader(network.state_dict().values())
            for part in network.modules():
                if hasattr(part, "ranks"):
                    part.ranks = ranks  # type: ignore[assignment]

    def sizes(self) -> dict[str, int]:
        """Count what the agent learns and what it remembers.

        Returns:
            `parameters` of all networks, `core_parameters` of the memory cores in them, both of what is trained, so
            that a copy such as a slow critic counts for nothing, and `carry_bytes_per_env`, what it remembers from
            row to row for each environment; `auxiliary_parameters` of what only teaches, if there is any.
        """
        memory = self.initial_memory(1).values(include_nested=True, leaves_only=True)
        acting = [network for network in self.networks.values() if network is not self.auxiliary]
        sizes = {
            "parameters": _count_trained(acting),
            "core_parameters": _count_trained(self.cores),
            "carry_bytes_per_env": sum(value.numel() * value.element_size() for value in memory),
        }
        if self.auxiliary is not None:
            sizes["auxiliary_parameters"] = _count_trained([self.auxiliary])
        return sizes

    def state_dict(self) -> dict[str, Any]:
        """Everything that learning has changed: nested dicts of tensors and JSON values."""
        return {
            **{name: dict(network.state_dict()) for name, network in self.networks.items()},
            **{name: optimizer_state(optimizer) for name, optimizer in self.optimizers.items()},
            **{name: getattr(self, name) for name in self.counters},
        }

    def state_form(self) -> Any:
        """What a stored state must look like to be loaded here, however far learning has come.

        See `engram.common.state_form`.
        """
        forms = {name: optimizer_form(optimizer) for name, optimizer in self.optimizers.items()}
        return {**self.state_dict(), **forms, **self.counters}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave.

        Raises:
            RuntimeError: if the parameters do not fit, as those of another core do not.
        """
        for name, network in self.networks.items():
            network.load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            load_optimizer_state(optimizer, state[name])
        for name in self.counters:
            setattr(self, name, state[name])
        for update in self.captured_updates.values():
            update.forget()  # moments lie elsewhere now


def _count_trained(modules: Iterable[nn.Module]) -> int:
    """Trained parameters of modules that may share some or lie in one another."""
    parameters = {id(parameter): parameter for module in modules for parameter in module.parameters()}
    return sum(parameter.numel() for parameter in parameters.values() if parameter.requires_grad)
