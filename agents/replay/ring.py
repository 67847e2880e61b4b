"""A ring of rows on disk: the newest rows of every environment, in time order, with what a checkpoint needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensordict import TensorDictBase
from torch import Tensor

from agents.replay.layout import Column
from agents.replay.storage import DamagedReplayError, Storage

# At resume, the newest rows are read again and compared with their checksums, up to so many bytes.
VERIFIED_BYTES = 1 << 30

Segment = list[Any]  # [first row, row after the last, [checksum of each column]]


class Ring:
    """Rows are counted from the beginning of the run; row n of every environment lies in slot n modulo slots.

    Two checkpoints are on disk at any time, the last one and, should that be damaged, the one before. Each
    needs the `capacity` rows before it, so these are not overwritten: `needs_checkpoint` says when the next
    one is due at the latest.

    Args:
        storage: the files.

    Attributes:
        storage: as given.
        layout: of the files.
        num_rows: rows stored so far in each environment.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage, self.layout = storage, storage.layout
        self.num_rows = 0
        self._last_saved = self._saved_before = 0
        self._segments: list[Segment] = []
        self._arrays = {column: storage.tensors[column].numpy() for column in self.layout.rows}

    @property
    def oldest(self) -> int:
        """The oldest row that may be read."""
        return max(0, self.num_rows - self.layout.capacity)

    def extend(self, rows: TensorDictBase, carries: TensorDictBase | None = None) -> None:
        """Append rows `[num_envs, T]`.

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
            self.storage.tensors[column][:, first:last].copy_(values[:, done : done + last - first])
            done += last - first

    def read(self, column: Column, envs: list[int], starts: list[int], out: np.ndarray[Any, Any]) -> None:
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

    def read_carries(self, column: Column, envs: Tensor, starts: Tensor) -> Tensor:
        """Copy the carries `[windows, …]` that stood before the rows `starts`, multiples of `carry_every`."""
        slots = starts % self.layout.slots // column.every
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
        start = self._segments[-1][1] if self._segments else 0
        step = max(1, self.layout.reserve // 2)
        for first in range(max(start, self.oldest), self.num_rows, step):
            last = min(first + step, self.num_rows)
            self._segments.append([first, last, self.storage.checksums(first, last)])
        self._segments = [segment for segment in self._segments if segment[0] >= self.oldest]
        return {
            "layout": self.layout.describe(),
            "num_rows": self.num_rows,
            "saved_before": self._last_saved,
            "segments": list(self._segments),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the state was taken; rows added after it are no more.

        Raises:
            ValueError: if the state is of a replay of another layout.
            DamagedReplayError: names a file whose newest rows are not those that were written.
        """
        expected, got = self.layout.describe(), dict(state["layout"])
        names = [file[0] for file in expected["files"]]
        order = {file[0]: index for index, file in enumerate(got["files"])}
        if sorted(order) == sorted(names):  # the order of columns may be another one; checksums stand in it
            got["files"] = [got["files"][order[name]] for name in names]
        if expected != got:
            changed = [key for key in expected if expected[key] != got.get(key)]
            raise ValueError(
                f"A stored replay must have the layout that the configuration gives, but the {changed[0]} differ: "
                f"expected {expected[changed[0]]}, got {got.get(changed[0])}; use the run's own configuration."
            )
        self.num_rows = self._last_saved = int(state["num_rows"])
        self._saved_before = int(state["saved_before"])
        self._segments = [
            [first, last, [checksums[order[name]] for name in names]]
            for first, last, checksums in state["segments"]
        ]
        self._verify()

    def _verify(self) -> None:
        """Compare the newest segments with their checksums."""
        row_bytes = self.layout.num_bytes / self.layout.slots
        verified = 0.0
        for first, last, checksums in reversed(self._segments):
            verified += (last - first) * row_bytes
            if verified > VERIFIED_BYTES:
                return
            found = self.storage.checksums(first, last)
            for column, expected, got in zip(self.layout.columns, checksums, found, strict=True):
                if expected != got:
                    raise DamagedReplayError(
                        f"A replay's rows must be those that were written, but {self.storage.path(column)} is damaged: "
                        f"the checksum of rows {first} to {last - 1} does not fit; put it back, or start a new run."
                    )
