"""What passes between a replay and the agent that learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

CarryFrom = Literal["initial", "stored"]


@dataclass(frozen=True)
class Batch:
    """Windows of stored rows: B windows of T rows, each in time order and from one environment.

    Windows may cross ends of episodes. They are read-only and hold until the next batch is drawn.

    Attributes:
        rows: `[B, T]` with `obs, reward, prev_action, is_first, is_last, is_terminal, action`, `action_mask`
            where the environment gives one, and `is_cut`: the next row stored does not follow this one.
        carry: `[B]`, the agent's carry before row 0: its initial one, and then `is_first[:, 0]` is True, or
            the part of it that was stored when the row was acted on.
        is_trained: `[B, T]` bool: rows that count in the losses; not those of the burn-in or marked `is_cut`.
    """

    rows: TensorDict
    carry: TensorDict
    is_trained: Tensor


@runtime_checkable
class ReplayAgent(Protocol):
    """An `engram.agents.Agent` whose `update` takes a `Batch`, as the off-policy loop needs it.

    Attributes:
        rollout_length: rows per environment that are collected at once.
        batch_size: windows per batch B.
        batch_length: rows per window that count; a window holds `burn_in` rows before them.
        train_ratio: replayed rows that count, per environment step.
        burn_in: rows at a window's start that only warm the carry up.
        carry_from: windows begin with the `initial` carry or with a `stored` one.
    """

    rollout_length: int
    batch_size: int
    batch_length: int
    train_ratio: float
    burn_in: int
    carry_from: CarryFrom

    @property
    def device(self) -> torch.device: ...  # noqa: D102
    def initial_carry(self, batch_size: int) -> TensorDict: ...  # noqa: D102
    def act(  # noqa: D102
        self, row: TensorDictBase, carry: TensorDictBase, deterministic: bool = False, donate: bool = False
    ) -> tuple[Tensor, TensorDict, TensorDict]: ...
    def update(self, batch: Batch, env_steps: int) -> dict[str, float]: ...  # noqa: D102

    def stored_carry(self, carry: TensorDictBase) -> TensorDict:
        """Select from the agent's carry `[B]` what a window needs to begin with."""
        ...


@runtime_checkable
class DrawsPictures(Protocol):
    """An agent that has something to show, such as predictions beside what came."""

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Draw uint8 pictures `[3, height, width]` or films `[B, T, 3, height, width]` by name."""
        ...
