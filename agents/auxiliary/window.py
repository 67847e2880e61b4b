"""What an auxiliary loss is computed from: rows that an agent learns from, and what its memory made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TypeAlias

from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.q_network import QNetwork

Network: TypeAlias = ActorCritic | QNetwork


@dataclass(frozen=True)
class Window:
    """Sequences of T rows, of which an agent learns from the last T'; those before only warmed its memory up.

    Attributes:
        rows: `[B, T]`.
        carry: the network's, before row 0, `[B]`.
        y: what its core, the actor's, made of the last T' rows, `[B, T', n]`, with gradient.
        mask: those of the last T' rows that count, `[B, T']` bool.
        host_is_first: the rows' `is_first` in host memory, if it is there.
    """

    rows: TensorDictBase
    carry: TensorDictBase
    y: Tensor
    mask: Tensor
    host_is_first: Tensor | None = None

    @property
    def burn_in(self) -> int:
        """Number of rows before those that are learnt from."""
        return self.rows.batch_size[1] - self.y.shape[1]

    def with_output(self, y: Tensor) -> Window:
        """Put another output of the core in place."""
        return replace(self, y=y)


class AuxiliaryLoss(nn.Module, ABC):
    """A loss on what a memory holds, with parameters of its own; it reads the core's output and no shortcut."""

    @abstractmethod
    def forward(self, network: Network, window: Window) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss.

        Args:
            network: the agent's.
            window: what it learns from.

        Returns:
            The mean over the rows that count, and what else is to be logged, a number each.
        """

    def follow(self, network: Network) -> None:
        """Take note of a gradient step of the network."""


def of_one_episode(is_first: Tensor, apart: int) -> Tensor:
    """Tell which rows t and t + `apart` are of one episode, `[B, T - apart]`, by `is_first` `[B, T]`.

    A stream that was cut goes on with `is_first`, so that nothing is of one episode across a cut either.
    """
    episode = is_first.cumsum(1)
    return episode[:, apart:] == episode[:, : episode.shape[1] - apart]
