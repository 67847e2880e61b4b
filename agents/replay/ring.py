"""A ring of rows on disk: the newest rows of every environment, in time order, with what a checkpoint needs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensordict import TensorDictBase
from torch import Tensor

from engram.agents.replay.layout import Column, Layout
from engram.agents.replay.storage import DamagedReplayError, Storage
from engram.common.state_form import ListOf, Maybe, StateError, Whole

# 1 had no number, and no checksum of the oldest rows that may be read.
FORMAT = 2
# Rows that get checksums of their own, as a share of the reserve: at a checkpoint those of the oldest segment are read
# again.
SEGMENT_SHARE = 8

ALL = slice(None)

Segment = list[Any]  # [first row, row after the last, [checksum of each column]]


class Ring:
    """Rows are counted from the beginning of the run; row n of every environment lies in slot n modulo slots.

    Two checkpoints are on disk at any time, the last one and, should that be damaged, the one before. Each
    needs the `capacity` rows before it, so these are not overwritten: `needs_checkpoint` says when the next
    one is due at the latest.

    Args:
        storage: the files.
        envs: those whose rows are added here; other processes add the others' at the same time. Default: all.

    Attributes:
        storage: as given.
        layout: of the files.
        num_rows: rows stored so far in each environment.
    """

    def __init__(self, storage: Storage, envs: slice = ALL) -> None:
        self.storage, self.layout, self._envs = storage, storage.layout, envs
        self.num_rows = 0
        self._last_saved = self._saved_before = 0
        self._segments: list[Segment] = []
        self._arrays = {column: storage.tensors[column].numpy() for column in self.layout.rows}

    @property
    def oldest(self) -> int:
        """The oldest row that may be read."""
        return max(0, self.num_rows - self.layout.capacity)

    def extend(self, rows: TensorDictBase, carries: TensorDictBase | None = None) -> None:
        """Append rows `[num_envs, T]` of its environments.

        Args:
            rows: with the keys of the layout, and any others, which are left out.
            carries: what stood before those of the rows that are a multiple of `carry_every`, `[num_envs, n]`.

        Raises:
            RuntimeError: if rows would be overwritten that a checkpoint on disk needs.
        """
        end = self.num_rows + rows.batch_size[1]
        if (
            end - self.layout.slots > max(0, self._saved_before - self.layout.capacity)
            and self._saved_before > 0
        ):
            raise RuntimeError(
                f"Rows are overwritten only when two later checkpoints are on disk, but {rows.batch_size[1]} more rows "
                "would overwrite some that the checkpoint before the last one needs; save checkpoints more often."
            )
        for column in self.layout.rows:
            self._write(column, rows[column.key], end)
        for column in self.layout.carries:
            if carries is not None:
                self._write(column, carries[column.key], end)
        self.num_rows = end

    def _write(self, column: Column, values: Tensor, end: int) -> None:
        done = 0
        for first, last in self.storage.spans(column, self.num_rows, end):
            self.storage.tensors[column][self._envs, first:last].copy_(values[:, done : done + last - first])
            done += last - first

    def read(self, column: Column, envs: list[int], starts: list[int], out: NDArray[Any]) -> None:
        """Copy windows of one column.

        Args:
            column: one of the rows'.
            envs: environment of each window.
            starts: first row of each window.
            out: `[windows, length, …]`; written.
        """
        stored, slots, length = self._arrays[column], self.layout.slots, out.shape[1]
        for window, (env, start) in enumerate(zip(envs, starts, strict=True)):
            slot = start % slots
            before_seam = min(length, slots - slot)
            out[window, :before_seam] = stored[env, slot : slot + before_seam]
            if before_seam < length:
                out[window, before_seam:] = stored[env, : length - before_seam]

    def gather(
        self,
        column: Column,
        envs: NDArray[np.int64],
        numbers: NDArray[np.int64],
        out: NDArray[Any],
    ) -> None:
        """Copy single rows of one column.

        Args:
            column: one of the rows'.
            envs: environment of each, any shape.
            numbers: which one it is, the same shape.
            out: that shape, then the column's; written.
        """
        stored, slots = self._arrays[column], self.layout.slots
        # "clip" writes to `out` at once; no index lies outside.
        stored.reshape(-1, *column.shape).take(envs * slots + numbers % slots, axis=0, out=out, mode="clip")

    def read_carries(self, column: Column, envs: Tensor, starts: Tensor) -> Tensor:
        """Copy the carries `[windows, …]` that stood before the rows `starts`, multiples of `carry_every`."""
        slots = starts % self.layout.slots // column.rows_per_element
        return self.storage.tensors[column][envs, slots]

    def needs_checkpoint(self, block_length: int) -> bool:
        """Tell whether a checkpoint must be on disk before the next `block_length` rows are added."""
        end = self.num_rows + block_length
        return end > self.layout.capacity and end - self._last_saved > self.layout.reserve // 2

    def mark_saved(self) -> None:
        """Take note that a checkpoint of this moment is on disk, and the one before it still is."""
        self._saved_before, self._last_saved = self._last_saved, self.num_rows

    def state_dict(self) -> dict[str, Any]:
        """Bring all rows onto the disk and return what a checkpoint needs to find them: JSON values."""
        self.storage.flush()
        self._segments = self._kept()
        start = self._segments[-1][1] if self._segments else self.oldest
        self._segments += self._described(start, self.num_rows)
        return {
            "format": FORMAT,
            "layout": self.layout.describe(),
            "num_rows": self.num_rows,
            "saved_before": self._last_saved,
            "segments": list(self._segments),
        }

    def _kept(self) -> list[Segment]:
        """The segments that hold a row that may be read; the first one begins with it.

        What stands before may be overwritten while a checkpoint counts on the rest, so it gets a checksum without that.
        """
        kept = [segment for segment in self._segments if segment[1] > self.oldest]
        if kept and kept[0][0] < self.oldest:
            kept[:1] = self._described(self.oldest, kept[0][1])
        return kept

    def _described(self, start: int, end: int) -> list[Segment]:
        """Segments of the rows `start` to `end`, as they are in the files."""
        step = max(1, self.layout.reserve // SEGMENT_SHARE)
        parts = [(first, min(first + step, end)) for first in range(start, end, step)]
        return [[first, last, self.storage.checksums(first, last)] for first, last in parts]

    @staticmethod
    def state_form() -> dict[str, Any]:
        """What a stored state must look like, see `engram.common.state_form`."""
        return {
            "format": Maybe(Whole()),
            "layout": Layout.state_form(),
            "num_rows": Whole(),
            "saved_before": Whole(),
            "segments": ListOf([Whole(), Whole(), ListOf(Whole())]),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the state was taken; rows added after it are no more.

        Raises:
            StateError: if it is of a replay of another layout or a later format, or its numbers contradict each other.
            DamagedReplayError: names a file whose rows are not those that were written.
        """
        if state.get("format", 1) > FORMAT:
            raise StateError(
                f"a replay's state has at most format {FORMAT} here, but got {state['format']}, which a later version "
                "of engram-rl wrote"
            )
        order = self._stored_order(state["layout"])
        num_rows, saved_before = state["num_rows"], state["saved_before"]
        segments = [
            [first, last, [checksums[index] for index in order if index < len(checksums)]]
            for first, last, checksums in state["segments"]
        ]
        oldest = max(0, num_rows - self.layout.capacity)
        self._check_numbers(segments, num_rows, saved_before, oldest, state.get("format", 1))
        self._verify(segments)
        self.num_rows = self._last_saved = num_rows
        self._saved_before = saved_before
        # States of before told nothing of the oldest rows.
        untold = self._described(oldest, segments[0][0] if segments else num_rows)
        self._segments = [*untold, *segments]

    def _stored_order(self, stored: Mapping[str, Any]) -> list[int]:
        """Where each column's checksum stands in a stored state, whose columns may stand in another order.

        Raises:
            StateError: if the layout is another one.
        """
        expected, got = self.layout.describe(), dict(stored)
        names = [file[0] for file in expected["files"]]
        order = {file[0]: index for index, file in enumerate(got["files"])}
        if len(order) == len(got["files"]) and sorted(order) == sorted(names):
            got["files"] = [got["files"][order[name]] for name in names]
        if expected != got:
            changed = next(key for key in expected if expected[key] != got.get(key))
            one, other = expected[changed], got[changed]
            if changed == "files":
                one, other = _first_difference(one, other)
            raise StateError(
                f"a stored replay must have the layout that the configuration gives, but the {changed} differ: "
                f"expected {one}, got {other}"
            )
        return [order[name] for name in names]

    def _check_numbers(
        self, segments: list[Segment], num_rows: int, saved_before: int, oldest: int, number: int
    ) -> None:
        """Refuse segments that are not the newest rows, one after the other, with a checksum for every column."""
        if saved_before > num_rows:
            raise StateError(
                f"replay/ring/saved_before: expected at most {num_rows} rows, got {saved_before}"
            )
        place = segments[0][0] if number == 1 and segments else oldest
        if place < oldest:
            raise StateError(f"replay/ring/segments: expected rows from {oldest} on, got row {place}")
        for first, last, checksums in segments:
            if first != place or last <= first or len(checksums) != len(self.layout.columns):
                raise StateError(
                    f"replay/ring/segments: expected rows from {place} on and {len(self.layout.columns)} checksums, "
                    f"got rows {first} to {last} and {len(checksums)}"
                )
            place = last
        if place != num_rows and (segments or number > 1):
            raise StateError(
                f"replay/ring/num_rows: expected {place}, where the segments end, got {num_rows}"
            )

    def _verify(self, segments: list[Segment]) -> None:
        """Compare all rows that may be read with their checksums."""
        for first, last, checksums in segments:
            found = self.storage.checksums(first, last)
            for column, expected, got in zip(self.layout.columns, checksums, found, strict=True):
                if expected != got:
                    raise DamagedReplayError(
                        f"A replay's rows must be those that were written, but {self.storage.path(column)} is damaged: "
                        f"the checksum of rows {first} to {last - 1} does not fit; put it back, or start a new run."
                    )


def _first_difference(expected: list[Any], got: list[Any]) -> tuple[Any, Any]:
    return next(pair for pair in itertools.zip_longest(expected, got) if pair[0] != pair[1])
