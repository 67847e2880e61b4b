"""How a replay lies on disk: which columns, how many rows, how many bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import torch
from tensordict import TensorDictBase
from torch import Tensor

from engram.common.rows import ROW_KEYS
from engram.common.state_form import Kind, ListOf, Whole

# The share of the stored rows that is set aside, so that nothing a checkpoint needs is overwritten before two
# later checkpoints are on disk.
RESERVE_SHARE = 8

Key = tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One leaf of the rows or of the stored carries.

    Attributes:
        kind: which of the two.
        key: where it is in its TensorDict.
        dtype: of its elements.
        shape: of one element.
        rows_per_element: rows per element: 1 for rows, k for carries stored every k rows.
    """

    kind: Literal["row", "carry"]
    key: Key
    dtype: torch.dtype
    shape: tuple[int, ...]
    rows_per_element: int = 1

    @property
    def file_name(self) -> str:
        """Such as `row+obs+position.bin`; any key makes a valid name."""
        return "+".join([self.kind, *(quote(part, safe="") for part in self.key)]) + ".bin"

    @property
    def num_bytes(self) -> int:
        """Of one element."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """A ring of rows per environment, on disk as one file `[num_envs, slots, …]` per column.

    Attributes:
        num_envs: streams of rows.
        capacity: newest rows of each environment that windows are drawn from.
        slots: rows of each environment on disk: the capacity and the reserve.
        rows: the rows' columns.
        carries: the stored carries' columns; empty if none are stored.
        carry_every: windows begin at every so many rows; a carry is stored before each of these.
    """

    num_envs: int
    capacity: int
    slots: int
    rows: tuple[Column, ...]
    carries: tuple[Column, ...] = ()
    carry_every: int = 1

    @property
    def columns(self) -> tuple[Column, ...]:
        """All of them, rows first."""
        return self.rows + self.carries

    def column(self, name: str) -> Column:
        """The rows' column of that name."""
        (found,) = (column for column in self.rows if column.key == (name,))
        return found

    @property
    def reserve(self) -> int:
        """Rows of each environment beyond the capacity."""
        return self.slots - self.capacity

    def file_shape(self, column: Column) -> tuple[int, ...]:
        """Shape of the file of a column, `[num_envs, slots // rows_per_element, …]`."""
        return (self.num_envs, self.slots // column.rows_per_element, *column.shape)

    def file_bytes(self, column: Column) -> int:
        """Size of the file of a column."""
        return self.num_envs * (self.slots // column.rows_per_element) * column.num_bytes

    @property
    def num_bytes(self) -> int:
        """Size of all files."""
        return sum(self.file_bytes(column) for column in self.columns)

    def describe(self) -> dict[str, Any]:
        """JSON values that say everything about the files, in the order of `columns`."""
        files = [
            [column.file_name, str(column.dtype), list(self.file_shape(column)), self.file_bytes(column)]
            for column in self.columns
        ]
        return {"files": files, "capacity": self.capacity, "carry_every": self.carry_every}

    @staticmethod
    def state_form() -> dict[str, Any]:
        """The form of what `describe` gives, see `engram.common.state_form`."""
        files = ListOf([Kind(str), Kind(str), ListOf(Whole()), Whole()])
        return {"files": files, "capacity": Whole(), "carry_every": Whole()}


def row_columns(row: TensorDictBase) -> tuple[Column, ...]:
    """Columns for an environment's rows and the actions taken on them.

    Args:
        row: one row of every environment `[B]`, as the driver holds it.

    Returns:
        A column for every leaf, and one for `action`, which is like `prev_action`.
    """
    columns = _columns("row", row.select(*(key for key in ROW_KEYS if key in row)), rows_per_element=1)
    prev_action = row["prev_action"]
    return (*columns, Column("row", ("action",), prev_action.dtype, tuple(prev_action.shape[1:])))


def carry_columns(carry: TensorDictBase, carry_every: int, max_bytes: int) -> tuple[Column, ...]:
    """Columns for carries stored before every so many rows.

    Args:
        carry: what is to be stored, of every environment `[B]`.
        carry_every: rows between two of them.
        max_bytes: largest size of one carry.

    Raises:
        ValueError: if a carry is larger.
    """
    columns = _columns("carry", carry, carry_every)
    size = sum(column.num_bytes for column in columns)
    if size > max_bytes:
        raise ValueError(
            f"A carry can be stored beside the rows if it has at most {max_bytes:,} bytes, but this agent's has "
            f"{size:,}; let windows begin with the initial carry and a burn-in, take a smaller core, or raise "
            "agent.replay.max_carry_bytes."
        )
    return columns


def _columns(
    kind: Literal["row", "carry"], tensors: TensorDictBase, rows_per_element: int
) -> tuple[Column, ...]:
    found = []
    for key, value in tensors.items(include_nested=True, leaves_only=True):
        assert isinstance(value, Tensor)
        path = key if isinstance(key, tuple) else (key,)
        found.append(Column(kind, path, value.dtype, tuple(value.shape[1:]), rows_per_element))
    # By key: the order of a TensorDict's leaves is another one after a checkpoint has been read.
    return tuple(sorted(found, key=lambda column: (_place(column.key[0]), column.key)))


def _place(name: str) -> int:
    return ROW_KEYS.index(name) if name in ROW_KEYS else len(ROW_KEYS)


def plan_layout(
    num_envs: int,
    rows: tuple[Column, ...],
    capacity_bytes: int,
    *,
    window_length: int,
    block_length: int,
    carries: tuple[Column, ...] = (),
    carry_every: int = 1,
) -> Layout:
    """Find the largest ring that keeps within `capacity_bytes`.

    Args:
        num_envs: streams of rows.
        rows: columns of the rows.
        capacity_bytes: limit of all files together.
        window_length: rows of a window.
        block_length: rows per environment that are added at once.
        carries: columns of the carries.
        carry_every: rows between two of them, or between the first rows of windows.

    Returns:
        The layout.

    Raises:
        ValueError: if no window, or no block, fits into the limit.
    """
    group_bytes = num_envs * (
        carry_every * sum(column.num_bytes for column in rows) + sum(column.num_bytes for column in carries)
    )
    slots = capacity_bytes // group_bytes * carry_every
    # A window begins at a multiple of carry_every.
    needed = window_length + carry_every - 1
    capacity = _capacity(slots, block_length, carry_every)
    if capacity < needed:
        while _capacity(slots, block_length, carry_every) < needed:
            slots += carry_every
        raise ValueError(
            f"A replay must hold at least one window of {window_length} rows of each of {num_envs} environments, "
            f"beside its reserve: expected capacity_bytes >= {slots // carry_every * group_bytes:,}, but got "
            f"{capacity_bytes:,}; raise agent.replay.capacity_bytes or take shorter windows."
        )
    return Layout(num_envs, capacity, slots, rows, carries, carry_every)


def _capacity(slots: int, block_length: int, carry_every: int) -> int:
    """What is left of the slots beside a reserve for two checkpoints and the blocks that make them due."""
    reserve = max(slots // RESERVE_SHARE, 4 * block_length)
    return slots - -(-reserve // carry_every) * carry_every
