"""Pools of layouts: carved ahead, so that a beginning episode only looks one up."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from engram.common.random import hash_prefix, purpose
from engram.envs.memory_maze.sizes import MazeSize

_LAYOUTS = purpose("layouts of Memory Maze")


@dataclass(frozen=True)
class Layouts:
    """P layouts of N x N cells with at most R rooms, indexed [y, x] with y = 0 at the bottom.

    Attributes:
        walls: bool [P, N, N].
        is_room: bool [P, N, N], the cells of rooms.
        corners: int64 [P, R, 2], x and y of each room's bottom-left cell; 0 where there is no room.
        sides: int64 [P, R, 2], cells along x and y; 1 where there is no room.
        num_rooms: int64 [P].
    """

    walls: Tensor
    is_room: Tensor
    corners: Tensor
    sides: Tensor
    num_rooms: Tensor

    def __len__(self) -> int:
        return len(self.walls)

    def to(self, device: torch.device) -> Layouts:
        """Return the same layouts on a device."""
        return Layouts(*(getattr(self, field.name).to(device) for field in fields(self)))


@functools.lru_cache(maxsize=8)
def make_layouts(size: MazeSize, count: int, seed: int = 0) -> Layouts:
    """Carve layouts with the distribution of labmaze's `RandomMaze` under the task's parameters.

    The i-th layout of a seed is the same in pools of any length, on any machine. Environments that want the
    same pool share it, so it must not be changed.

    Args:
        size: of the maze.
        count: layouts P.
        seed: of the pool.

    Returns:
        The layouts, in host memory.
    """
    # numba is imported where it is first needed, since that takes half a second.
    from engram.envs.memory_maze.layout_carving import carve_layouts

    states = hash_prefix(_LAYOUTS, size.cells, seed, torch.arange(count))
    walls = torch.empty(count, size.grid, size.grid, dtype=torch.uint8)
    rooms = torch.zeros(count, size.max_rooms, 4, dtype=torch.int64)
    num_rooms = torch.empty(count, dtype=torch.int64)
    carve_layouts(
        states.numpy().view("uint64"),
        size.room_sizes,
        size.min_rooms,
        walls.numpy(),
        rooms.numpy(),
        num_rooms.numpy(),
    )
    exists = torch.arange(size.max_rooms) < num_rooms[:, None]
    row, column, height, width = rooms.unbind(2)
    corners = torch.stack([column, size.grid - row - height], dim=2)
    corners = torch.where(exists[..., None], corners, 0)
    sides = torch.where(exists[..., None], torch.stack([width, height], dim=2), 1)
    return Layouts(
        walls.flip(1).to(torch.bool),
        _room_cells(corners, sides, exists, size.grid),
        corners,
        sides,
        num_rooms,
    )


def _room_cells(corners: Tensor, sides: Tensor, exists: Tensor, grid: int) -> Tensor:
    """Mark the cells of rooms, bool [P, N, N]."""
    cell = torch.arange(grid)
    inside = (cell >= corners[..., None]) & (cell < (corners + sides)[..., None])
    in_x, in_y = (inside & exists[..., None, None]).unbind(2)
    return (in_y[:, :, :, None] & in_x[:, :, None, :]).any(1)
