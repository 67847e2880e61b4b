"""What passes between a replay and the agent that learns from it."""

from __future__ import annotations

from dataclasses import dataclass

from tensordict import TensorDict
from torch import Tensor


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
