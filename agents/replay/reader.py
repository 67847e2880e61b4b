"""The tensors of a batch, and how stored rows come into them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from tensordict import TensorDict

from engram.agents.replay.ring import Ring


class Reader:
    """Copies stored rows into tensors of its own, which the next batch overwrites.

    Args:
        ring: where the rows are.
        num_lanes: B.
        length: rows of a lane T.
    """

    def __init__(self, ring: Ring, num_lanes: int, length: int) -> None:
        self._ring, self._length = ring, length
        shape = (num_lanes, length)
        self._rows = TensorDict({"is_cut": torch.empty(shape, dtype=torch.bool)}, batch_size=shape)
        self._next_is_first = torch.empty(shape, dtype=torch.bool)
        self._arrays = {}
        for column in ring.layout.rows:
            buffer = torch.empty((*shape, *column.shape), dtype=column.dtype)
            self._rows[column.key] = buffer
            self._arrays[column] = buffer.numpy()
        self._is_first = ring.layout.column("is_first")

    def read_windows(self, envs: list[int], starts: list[int]) -> TensorDict:
        """Copy one window to each lane.

        Args:
            envs: environment of each.
            starts: first row of each.

        Returns:
            Rows `[B, T]` with `is_cut`: it ends without `is_last`, because the next one stored begins another episode.
        """
        for column, array in self._arrays.items():
            self._ring.read(column, envs, starts, array)
        after = self._next_is_first
        self._ring.read(self._is_first, envs, [start + 1 for start in starts], after.numpy())
        for window, start in enumerate(starts):
            if start + self._length == self._ring.num_rows:
                after[window, -1] = False  # the newest row: what follows is not known yet
        return self._with_cuts()

    def read_episodes(self, envs: NDArray[np.int64], numbers: NDArray[np.int64]) -> TensorDict:
        """Copy whole episodes to lanes, one after another.

        Args:
            envs: environment of every row `[B, T]`.
            numbers: which one it is, counted from the beginning of the run, `[B, T]`.

        Returns:
            Rows `[B, T]` with `is_cut`: it ends without `is_last`, and what follows in the lane, or behind it, is of
            another episode or not known.
        """
        for column, array in self._arrays.items():
            self._ring.gather(column, envs, numbers, array)
        self._next_is_first[:, :-1] = self._rows["is_first"][:, 1:]
        self._next_is_first[:, -1] = True
        return self._with_cuts()

    def _with_cuts(self) -> TensorDict:
        torch.logical_and(self._next_is_first, ~self._rows["is_last"], out=self._rows["is_cut"])
        return self._rows
