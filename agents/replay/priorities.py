"""Priorities of a replay's windows: draws that depend on a key and the priorities alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engram.agents.replay.batch import DrawnWindows
from engram.agents.replay.layout import Layout
from engram.common.state_form import Numbers, StateError
from engram.common.streams import fractions, whole_numbers
from engram.common.zero_where import zero_unless

# Of a window whose errors were 0: it stays in the draw.
LEAST_PRIORITY = 1e-6


def window_priorities(error: Tensor, mask: Tensor, max_weight: float) -> Tensor:
    """Mix the largest and the mean error of each window: p = η max |δ| + (1 − η) mean |δ|.

    Args:
        error: δ, `[B, T]`.
        mask: rows that count, `[B, T]` bool.
        max_weight: η.

    Returns:
        `[B]`, without a gradient; 0 where no row counts.

    Source: Kapturowski et al. 2019, section 2.3.
    """
    size = zero_unless(mask, error.detach().abs())
    return max_weight * size.amax(1) + (1 - max_weight) * size.sum(1) / mask.sum(1).clamp(min=1)


class Priorities:
    """Draws window b with P(b) = p_b^α / Σ p^α, and weighs it by (N P(b))^-β.

    Windows begin at every k-th row. New ones have the highest priority of those there are, and at first 1. A draw sums
    up all of p^α, one by one in float64: that is a tenth of a millisecond for 100,000 windows.

    Args:
        layout: of the replay; k is its `carry_every`.
        window_length: rows of a window.
        exponent: α.
        importance_exponent: β.

    Source: Schaul et al., "Prioritized experience replay", 2016.
    """

    def __init__(
        self, layout: Layout, window_length: int, *, exponent: float, importance_exponent: float
    ) -> None:
        self._every, self._length = layout.carry_every, window_length
        self._exponent, self._importance_exponent = exponent, importance_exponent
        # p^α of the windows there are, else 0. Time comes first, so that what is in use of a ring that is not full yet
        # is one piece.
        self._scaled = np.zeros((layout.slots // layout.carry_every, layout.num_envs))
        # Written by every draw: new pages would cost more than the sums.
        self._sums = torch.empty(self._scaled.size, dtype=torch.float64)
        self._first = self._end = 0  # numbers of the oldest window of every environment, and after the newest

    @property
    def _used(self) -> NDArray[np.float64]:
        return self._scaled[: self._end]

    def extend(self, oldest: int, num_rows: int) -> None:
        """Take in the windows of new rows, and drop those that have lost a row.

        Args:
            oldest: the oldest row that may be read.
            num_rows: rows stored so far in each environment.
        """
        highest = self._used.max(initial=0.0) or 1.0
        first, end = self._range(oldest, num_rows)
        self._scaled[self._slots(self._first, min(first, self._end))] = 0.0
        self._scaled[self._slots(max(first, self._end), end)] = highest
        self._first, self._end = first, end

    def draw(self, key: int, batch_size: int) -> DrawnWindows:
        """Draw windows, independently and with replacement.

        Args:
            key: from `engram.common.streams.stream_key`.
            batch_size: B.

        Returns:
            Which ones; all in host memory.
        """
        num_slots, num_envs = self._scaled.shape
        scaled = self._used.reshape(-1)
        sums = torch.cumsum(torch.from_numpy(scaled), 0, out=self._sums[: scaled.size]).numpy()
        # A product that is rounded up to the sum of all would lie behind the last window.
        places = fractions(whole_numbers(key, batch_size)).numpy() * sums[-1]
        index = sums.searchsorted(np.minimum(places, np.nextafter(sums[-1], 0)), side="right")
        slots, envs = np.divmod(index, num_envs)
        numbers = self._first + (slots - self._first) % num_slots
        num_windows = (self._end - self._first) * num_envs
        weights = (num_windows * scaled[index] / sums[-1]) ** -self._importance_exponent
        largest = weights.max()
        return DrawnWindows(
            torch.from_numpy(envs),
            torch.from_numpy(numbers * self._every),
            torch.from_numpy(weights / largest).float(),
            float(largest),
            effective_share=float(sums[-1] ** 2 / (num_windows * scaled.dot(scaled))),
        )

    def set(self, envs: Tensor, starts: Tensor, priorities: Tensor) -> None:
        """Give windows new priorities; those that have dropped out since they were drawn stay out.

        Args:
            envs: of the windows, `[B]`.
            starts: their first rows, `[B]`.
            priorities: p, `[B]`, 0 or more. Where a window is there twice, the last one counts.
        """
        numbers = starts.numpy() // self._every
        is_there = (numbers >= self._first) & (numbers < self._end)
        found = np.maximum(priorities.double().numpy(), LEAST_PRIORITY)[is_there]
        slots = numbers[is_there] % len(self._scaled)
        self._scaled[slots, envs.numpy()[is_there]] = found**self._exponent

    def state_dict(self) -> dict[str, Any]:
        """Return p^α of every slot in use `[slots, num_envs]`."""
        return {"scaled": torch.from_numpy(self._used.copy())}

    @staticmethod
    def state_form() -> dict[str, Any]:
        """What a stored state must look like, see `engram.common.state_form`."""
        return {"scaled": Numbers((None, None), torch.float64, low=0.0)}

    def load_state_dict(self, state: Mapping[str, Any], oldest: int, num_rows: int) -> None:
        """Continue where the state was taken, with the rows as of `extend`.

        Raises:
            StateError: if it is not of these windows.
        """
        self._first, self._end = self._range(oldest, num_rows)
        scaled, is_there = state["scaled"].cpu().numpy(), np.zeros_like(self._scaled, dtype=bool)
        is_there[self._slots(self._first, self._end)] = True
        is_there = is_there[: self._end]
        if scaled.shape != is_there.shape or not np.array_equal(scaled > 0, is_there):
            raise StateError(
                f"replay/priorities: expected those of windows {self._first} to {self._end - 1} of "
                f"{self._scaled.shape[1]} environments, got those of others"
            )
        self._scaled[:] = 0.0
        self._used[:] = scaled

    def _range(self, oldest: int, num_rows: int) -> tuple[int, int]:
        """Numbers of the oldest window, and after the newest."""
        end = (num_rows - self._length) // self._every + 1
        first = -(-oldest // self._every)
        return (first, end) if end > first else (first, first)

    def _slots(self, first: int, end: int) -> NDArray[np.int64]:
        return np.arange(first, end) % len(self._scaled)
