"""What the sizes of Memory Maze are made of, and the names of their colours and textures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from engram.common.option_types import one_of


@dataclass(frozen=True)
class MazeSize:
    """One size of the task.

    Attributes:
        cells: inner cells along a side, n; the outer walls make the grid n + 2 wide.
        num_targets: coloured targets; they take the first so many of `COLORS`.
        episode_length: actions until the episode is truncated.
        max_rooms: rooms at most.
        room_sizes: smallest and largest side of a room, in cells.
        min_rooms: rooms at least; a layout with fewer is drawn again.
    """

    cells: int
    num_targets: int
    episode_length: int
    max_rooms: int
    room_sizes: tuple[int, int]
    min_rooms: int

    @property
    def grid(self) -> int:
        """Cells along a side with the outer walls, N = n + 2."""
        return self.cells + 2


# Pasukonis et al. 2022, and `tiny` for laptops, which the package does not have.
SIZES = {
    "tiny": MazeSize(7, 2, 250, 6, (3, 5), 2),
    "9x9": MazeSize(9, 3, 1000, 6, (3, 5), 3),
    "11x11": MazeSize(11, 4, 2000, 6, (3, 5), 4),
    "13x13": MazeSize(13, 5, 3000, 6, (3, 5), 5),
    "15x15": MazeSize(15, 6, 4000, 9, (3, 3), 6),
}

SizeName = Annotated[str, one_of(list(SIZES))]

CELL_METRES = 2.0

# Light of each target, in [0, 1], in the order in which sizes take them.
COLORS = {
    "red": (170 / 220, 38 / 220, 30 / 220),
    "green": (99 / 220, 170 / 220, 88 / 220),
    "blue": (39 / 220, 140 / 220, 217 / 220),
    "purple": (93 / 220, 105 / 220, 199 / 220),
    "yellow": (220 / 220, 193 / 220, 59 / 220),
    "salmon": (220 / 220, 128 / 220, 107 / 220),
}

# Wall images of labmaze's "style_01", and the floors of corridors and of rooms.
WALL_TEXTURES = ("blue", "cerise", "green_bright", "green", "purple", "red_bright", "red", "yellow")
FLOOR_TEXTURES = ("blue", "blue_bright")
