"""The boards of the three phases, and what their cells show."""

from __future__ import annotations

import torch
from torch import Tensor

HEIGHT, WIDTH = 7, 11
NUM_CELLS = HEIGHT * WIDTH
"""Cell (row, column) has the number `row * WIDTH + column`; one more stands for what is outside."""
BACKGROUND, WALL, PLAYER, KEY, DOOR, APPLE, INDICATOR, RED, GREEN, BLUE = range(10)
"""What a cell shows."""
# The original's thousandths times 255, cut off.
COLORS = (
    (204, 204, 204),
    (25, 25, 25),
    (228, 148, 109),
    (159, 81, 44),
    (134, 206, 235),
    (140, 178, 0),
    (255, 255, 255),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
)
KEY_EXPLORE = (
    "  #######  ",
    "  #kkkkk#  ",
    "  #kkkkk#  ",
    "  ##   ##  ",
    "  #+++++#  ",
    "  #+++++#  ",
    "  #######  ",
)
KEY_REWARD = (
    "           ",
    "   ## ##   ",
    "   #   #   ",
    "   # + #   ",
    "   #   #   ",
    "   #####   ",
    "           ",
)
MATCH_EXPLORE = (
    "           ",
    "    ###    ",
    "    #+#    ",
    "    ###    ",
    "           ",
    "           ",
    "           ",
)
MATCH_REWARD = (
    "###########",
    "# o  o  o #",
    "#         #",
    "#         #",
    "####   ####",
    "   # + #   ",
    "   #####   ",
)
ORCHARD = (
    "###########",
    "#a a a a a#",
    "# a a a a #",
    "#a a a a a#",
    "# a a a a #",
    "#a a + a a#",
    "###########",
)


def cells_of(board: tuple[str, ...], letter: str) -> Tensor:
    """List the cells of a letter, int64, row by row."""
    text = "".join(board)
    return torch.tensor([cell for cell in range(NUM_CELLS) if text[cell] == letter])


def walls_of(boards: tuple[tuple[str, ...], ...]) -> Tensor:
    """Tell which cells are walls: bool [len(boards), NUM_CELLS + 1]; outside there is none."""
    return torch.tensor([[letter == "#" for letter in "".join(board) + " "] for board in boards])


def neighbours() -> Tensor:
    """Return the cell to the north, south, west and east of every cell, the cell itself at the border: int64 [C, 4]."""
    cell = torch.arange(NUM_CELLS)[:, None]
    row = (cell // WIDTH + torch.tensor([-1, 1, 0, 0])).clamp(0, HEIGHT - 1)
    return row * WIDTH + (cell % WIDTH + torch.tensor([0, 0, -1, 1])).clamp(0, WIDTH - 1)


def view_cells(size: int) -> Tensor:
    """List the cells of a square view around every cell: int64 [C, size, size]; `NUM_CELLS` is outside."""
    cell, around = torch.arange(NUM_CELLS), torch.arange(size) - size // 2
    row = (cell // WIDTH)[:, None, None] + around[:, None]
    column = (cell % WIDTH)[:, None, None] + around
    is_inside = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
    return torch.where(is_inside, row * WIDTH + column, NUM_CELLS)
