"""Whole episodes of a replay, drawn by a key alone and laid one after another on lanes: the tape.

Source: Morad et al., "Recurrent reinforcement learning with memoroids", 2024.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engram.agents.replay.layout import Column
from engram.agents.replay.ring import Ring
from engram.common.errors import UsageError
from engram.common.streams import fractions, whole_numbers

Integers = NDArray[np.int64]


class Episodes:
    """Which episodes can be drawn: those whose first row is stored, once they have ended or fill a lane.

    One that is longer than a lane is drawn with its first rows alone. One whose first row is overwritten is gone. They
    are in the order in which they became whole, which follows from the rows alone.

    Args:
        ring: of the rows.
        lane_length: rows of a lane T.
        rewarded_share: chance of every draw to be one among the episodes with a reward other than 0, of the rows that
            are drawn; where there is none, all are drawn alike.
    """

    def __init__(self, ring: Ring, lane_length: int, rewarded_share: float = 0.0) -> None:
        self._ring, self._length, self._rewarded_share = ring, lane_length, rewarded_share
        self._is_first, self._is_last, self._reward = (
            ring.layout.column(name) for name in ("is_first", "is_last", "reward")
        )
        # Environment, first row and length of each, and whether it has a reward.
        self._found: Integers = np.empty((0, 4), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._found)

    def extend(self, before: int) -> None:
        """Take in the episodes that became whole by the rows from number `before` on.

        From 0 on that is the same list, for the rows that are still there, as rollout by rollout.
        """
        kept = self._found[self._found[:, 1] >= self._ring.oldest] if before else self._found[:0]
        self._found = np.concatenate([kept, self._whole_since(before)])

    def _whole_since(self, before: int) -> Integers:
        """Find them, `[n, 4]`, in the order of the row that made each whole, then of the environment."""
        num_envs, end = self._ring.layout.num_envs, self._ring.num_rows
        # One that was not whole before is shorter than a lane.
        begin = max(self._ring.oldest, before - self._length)
        is_first, is_last = (
            self._read(column, num_envs, begin, end) for column in (self._is_first, self._is_last)
        )
        is_paid = self._read(self._reward, num_envs, begin, end) != 0
        envs, starts = is_first.nonzero()
        # The rows of an episode go up to the next one's first, which need not follow a last one where a stream was cut.
        following = np.full_like(starts, end - begin)
        has_next = envs[:-1] == envs[1:]
        following[:-1][has_next] = starts[1:][has_next]
        lengths = following - starts
        fills, has_ended = lengths >= self._length, is_last[envs, following - 1]
        # The row that makes it whole: the lane's last, its own last, or for want of that the next one's first.
        whole = np.where(fills, starts + self._length - 1, np.where(has_ended, following - 1, following))
        is_new = (whole + begin >= before) & (whole + begin < end)
        order = np.lexsort((envs[is_new], whole[is_new]))
        lengths = np.minimum(lengths, self._length)
        paid_before = np.pad(is_paid.cumsum(axis=1), ((0, 0), (1, 0)))
        rewarded = paid_before[envs, starts + lengths] > paid_before[envs, starts]
        found = np.stack([envs, starts + begin, lengths, rewarded], axis=1)
        return found[is_new][order]

    def _read(self, column: Column, num_envs: int, begin: int, end: int) -> NDArray[Any]:
        out = torch.empty((num_envs, end - begin), dtype=column.dtype).numpy()
        self._ring.read(column, list(range(num_envs)), [begin] * num_envs, out)
        return out

    def draw(self, key: int, num_lanes: int) -> tuple[Integers, Integers]:
        """Fill lanes with episodes, drawn independently and with replacement; the last one of a lane may be cut off.

        Args:
            key: from `engram.common.streams.stream_key`.
            num_lanes: B.

        Returns:
            Environment and number of every row, `[B, T]`.

        Raises:
            UsageError: if none can be drawn.
        """
        if not len(self):
            raise UsageError(
                f"Episodes are drawn from their first row on, but none of the {self._ring.layout.capacity:,} newest "
                "rows that the replay keeps of every environment begins one that has ended or fills a lane of "
                f"{self._length} rows: raise agent.replay.capacity_bytes or set agent.replay.sampling=uniform"
            )
        # An episode has a row at least, so that many are enough for a lane.
        shape = num_lanes, self._length
        drawn = self._found[self._choose(key, num_lanes * self._length).reshape(shape)]
        ends = drawn[..., 2].cumsum(axis=1)
        begins = ends - drawn[..., 2]
        begins_here = np.zeros(shape, dtype=np.int64)
        lane, place = (begins < self._length).nonzero()
        begins_here[lane, begins[lane, place]] = 1
        number = begins_here.cumsum(axis=1) - 1  # of the lane's episodes, on every row
        row_drawn = np.take_along_axis(drawn, number[..., None], axis=1)
        offset = np.arange(self._length) - np.take_along_axis(begins, number, axis=1)
        return row_drawn[..., 0], row_drawn[..., 1] + offset

    def _choose(self, key: int, num: int) -> Integers:
        """Draw places in the list, `[num]`: of any episode, and by `rewarded_share` of those with a reward."""
        rewarded = self._found[:, 3].nonzero()[0] if self._rewarded_share else self._found[:0, 3]
        if not len(rewarded):
            of_any: Integers = whole_numbers(key, num).numpy() % len(self)
            return of_any
        numbers, chances = whole_numbers(key, 2 * num).chunk(2)
        among_rewarded = fractions(chances).numpy() < self._rewarded_share
        place = numbers.numpy()
        return np.where(among_rewarded, rewarded[place % len(rewarded)], place % len(self))
