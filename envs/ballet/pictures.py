"""The pictures of the ballet: 9 x 9 pixels for every cell, fifteen shapes in nineteen colours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CELL = 9
"""Pixels along a side of a cell."""
COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "purple": (128, 0, 128),
    "orange": (255, 165, 0),
    "yellow": (255, 255, 0),
    "brown": (128, 64, 0),
    "pink": (255, 64, 255),
    "cyan": (0, 255, 255),
    "dark_green": (0, 100, 0),
    "dark_red": (100, 0, 0),
    "dark_blue": (0, 0, 100),
    "olive": (100, 100, 0),
    "teal": (0, 100, 100),
    "lavender": (215, 200, 255),
    "peach": (255, 210, 170),
    "rose": (255, 205, 230),
    "light_green": (200, 255, 200),
    "light_yellow": (255, 255, 200),
}
_MIDDLE, _LAST = CELL // 2, CELL - 1


def _bar(line: Tensor) -> Tensor:
    """The three middle rows or columns."""
    return (line - _MIDDLE).abs() <= 1


def _cross(row: Tensor, column: Tensor) -> Tensor:
    return _bar(row) | _bar(column)


def _diagonals(row: Tensor, column: Tensor) -> Tensor:
    return ((row - column).abs() <= 1) | ((_LAST - column - row).abs() <= 1)


def _radius(row: Tensor, column: Tensor) -> Tensor:
    """Squared distance from the middle."""
    return (row - _MIDDLE).square() + (column - _MIDDLE).square()


def _posts(column: Tensor) -> Tensor:
    """Three columns on either side."""
    return (column < 3) | (column > _LAST - 3)


# Whether a shape covers a pixel of (row, column).
_SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "triangle": lambda row, column: row >= 2 * (column - _MIDDLE).abs(),
    "empty_square": lambda row, column: (row < 2) | (row > _LAST - 2) | (column < 2) | (column > _LAST - 2),
    "plus": _cross,
    "inverse_plus": lambda row, column: ~_cross(row, column),
    "ex": _diagonals,
    "inverse_ex": lambda row, column: ~_diagonals(row, column),
    "circle": lambda row, column: _radius(row, column) <= _MIDDLE**2,
    "empty_circle": lambda row, column: (_radius(row, column) - _MIDDLE**2).abs() < 6,
    "tee": lambda row, column: _bar(column) | (row < 3),
    "upside_down_tee": lambda row, column: _bar(column) | (row > _LAST - 3),
    "h": lambda row, column: _posts(column) | _bar(row),
    "u": lambda row, column: _posts(column) | (row > _LAST - 3),
    "upside_down_u": lambda row, column: _posts(column) | (row < 3),
    "vertical_stripes": lambda row, column: column % 2 == 0,
    "horizontal_stripes": lambda row, column: row % 2 == 0,
}
SHAPES = tuple(_SHAPES)
FLOOR, WALL, AGENT, DANCERS = range(4)
"""What cells show, by number; dancers follow, `DANCERS + shape * len(COLORS) + color`."""
NUM_SPRITES = DANCERS + len(SHAPES) * len(COLORS)


def make_sprites() -> Tensor:
    """Draw what a cell can show: uint8 [NUM_SPRITES, 9, 9, 3]."""
    row, column = torch.meshgrid(torch.arange(CELL), torch.arange(CELL), indexing="ij")
    shapes = torch.stack([covers(row, column) for covers in _SHAPES.values()])
    colors = torch.tensor(list(COLORS.values()), dtype=torch.uint8)
    dancers = shapes[:, None, :, :, None] * colors[None, :, None, None]
    grounds = torch.tensor([0, 40, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(-1, CELL, CELL, 3)
    return torch.cat([grounds, dancers.flatten(0, 1)])


def paint(cells: Tensor, sprites: Tensor) -> Tensor:
    """Put sprites side by side.

    Args:
        cells: what every cell shows, int64 [B, H, W].
        sprites: `make_sprites()`.

    Returns:
        uint8 [B, H * 9, W * 9, 3].
    """
    batch, height, width = cells.shape
    line = torch.arange(CELL, device=cells.device)[:, None]
    lines = (cells[:, :, None] * CELL + line).flatten()  # of the sprites, as they follow in the picture
    picture = sprites.view(-1, CELL * 3).index_select(0, lines)
    return picture.view(batch, height * CELL, width * CELL, 3)
