"""The files of a replay: memory-mapped, their whole size reserved on the disk before a run begins."""

from __future__ import annotations

import errno
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import torch
from tensordict import MemoryMappedTensor
from torch import Tensor

from engram.agents.replay.layout import Column, Layout


class DamagedReplayError(ValueError):
    """A replay's file that is missing, cut off or not what was written."""


class Storage:
    """One memory-mapped tensor `[num_envs, slots // rows_per_element, …]` per column of a layout.

    Args:
        folder: holds the files and nothing else.
        layout: what they hold.

    Attributes:
        layout: as given.
        tensors: by column; plain tensors that share the files' memory.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._folder, self.layout = folder, layout
        self.tensors = {column: self._map(column) for column in layout.columns}

    @classmethod
    def create(cls, folder: Path, layout: Layout) -> Self:
        """Make the files, with all their room on the disk reserved.

        Raises:
            OSError: if there is no room; nothing is left behind.
        """
        folder.mkdir(parents=True)
        made: list[Path] = []
        try:
            if layout.num_bytes > shutil.disk_usage(folder).free:
                # Found before it is tried: trying takes from others what is left.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            for column in layout.columns:
                made.append(folder / column.file_name)
                made[-1].touch()
                reserve_room(made[-1], layout.file_bytes(column))
        except OSError as error:
            for path in made:
                path.unlink()
            folder.rmdir()
            raise _no_room(error, folder, layout) from error
        return cls(folder, layout)

    @classmethod
    def open(cls, folder: Path, layout: Layout) -> Self:
        """Map files that were made before.

        Raises:
            DamagedReplayError: names a file that is missing or has another size.
            OSError: if the files were copied without the room they had reserved, and there is none.
        """
        for column in layout.columns:
            path, expected = folder / column.file_name, layout.file_bytes(column)
            got = path.stat().st_size if path.exists() else None
            if got != expected:
                found = "is missing" if got is None else f"has {got:,} bytes"
                raise DamagedReplayError(
                    f"A replay's files keep their size, but {path} {found} where {expected:,} bytes were expected; "
                    "put the whole file back, fill the replay anew with resume_from=weights, or start a new run."
                )
            try:
                if path.stat().st_blocks * 512 < expected:
                    reserve_room(path, expected)
            except OSError as error:
                raise _no_room(error, folder, layout) from error
        return cls(folder, layout)

    def _map(self, column: Column) -> Tensor:
        shape = torch.Size(self.layout.file_shape(column))
        mapped = MemoryMappedTensor.from_filename(self._folder / column.file_name, column.dtype, shape)
        return mapped.as_subclass(Tensor)

    def path(self, column: Column) -> Path:
        """The file of a column."""
        return self._folder / column.file_name

    def flush(self) -> None:
        """Bring all that was written onto the disk; returns when it is there."""
        for column in self.layout.columns:
            descriptor = os.open(self.path(column), os.O_RDWR)
            try:
                # Pages written through a shared mapping are the file's own, so this writes them too.
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def checksums(self, start: int, end: int) -> list[int]:
        """CRC-32 of rows `start` to `end` of every environment, one per column.

        Args:
            start: first row, counted from the beginning of the run.
            end: the row after the last one; at most `slots` further.
        """
        return [self._checksum(column, start, end) for column in self.layout.columns]

    def _checksum(self, column: Column, start: int, end: int) -> int:
        checksum = 0
        tensor = self.tensors[column]
        for first, last in self.spans(column, start, end):
            for stream in tensor[:, first:last]:
                checksum = zlib.crc32(stream.reshape(-1).view(torch.uint8).numpy().data, checksum)
        return checksum

    def spans(self, column: Column, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where a column keeps what belongs to rows `start` to `end`: one or two ranges of its ring."""
        # An element stands before every k-th row: those of multiples of k in [start, end).
        first, last = -(-start // column.rows_per_element), -(-end // column.rows_per_element)
        size = self.layout.slots // column.rows_per_element
        while first < last:
            begin = first % size
            length = min(last - first, size - begin)
            yield begin, begin + length
            first += length


def reserve_room(path: Path, num_bytes: int) -> None:
    """Give a file its whole size on the disk; what it holds stays as it is.

    A file with holes would take room when it is first written to through memory, where a full disk kills the process.

    Raises:
        OSError: if there is no room.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, num_bytes)
        else:  # macOS cannot; only the size is set there
            os.ftruncate(descriptor, num_bytes)
    finally:
        os.close(descriptor)


def _no_room(error: OSError, folder: Path, layout: Layout) -> OSError:
    return OSError(
        error.errno,
        f"A replay reserves all its room on the disk at once, but {layout.num_bytes:,} bytes do not fit into {folder} "
        f"({error.strerror}); free space, lower agent.replay.capacity_bytes, or set logging.runs_dir=<folder>",
    )
