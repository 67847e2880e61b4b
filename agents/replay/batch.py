"""What passes between a replay and the agent that learns from it."""

from __future__ import annotations

from dataclasses import dataclass

from tensordict import TensorDict
from torch import Tensor


@dataclass(frozen=True)
class DrawnWindows:
    """Which windows were drawn by their priorities, and what each of them counts.

    Where several processes share a replay, each knows all of the batch's windows, and the weights of its own lanes.

    Attributes:
        envs: environment of each, int64 `[B]` in host memory.
        starts: first row of each, counted from the beginning of the run, int64 `[B]` in host memory.
        weights: factor of each one's loss, (N P)^-β over the largest of them, float32 `[B]` on the batch's device.
        largest_weight: what they were divided by.
        effective_share: (Σ P)² / (N Σ P²) over all N windows of the replay: the share of them that, all alike, would
            be drawn as unevenly; 1 where no window is preferred.
    """

    envs: Tensor
    starts: Tensor
    weights: Tensor
    largest_weight: float
    effective_share: float


@dataclass(frozen=True)
class Batch:
    """Stored rows to learn from: B lanes of T rows, each a window in time order, or whole episodes one after another.

    Lanes may cross ends of episodes. They are read-only and hold until the next batch is drawn.

    Attributes:
        rows: `[B, T]` with `obs, reward, prev_action, is_first, is_last, is_terminal, action`, `action_mask`
            where the environment gives one, and `is_cut`: the next row of the lane, or the next one stored, does not
            follow this one.
        carry: `[B]`, the agent's carry before row 0: its initial one, and then `is_first[:, 0]` is True, or
            the part of it that was stored when the row was acted on.
        is_trained: `[B, T]` bool: rows that count in the losses; not those of the burn-in or marked `is_cut`.
        windows: which ones, where they were drawn by priorities; the agent then says new ones, see
            `Replay.set_priorities`.
        host_is_first: the rows' `is_first` in host memory, for the cores' fastest paths on a device.
    """

    rows: TensorDict
    carry: TensorDict
    is_trained: Tensor
    windows: DrawnWindows | None = None
    host_is_first: Tensor | None = None

    @property
    def weights(self) -> Tensor | None:
        """What each lane's loss is weighed by, `[B]`, where windows were drawn by priorities."""
        return None if self.windows is None else self.windows.weights
