"""What an agent of MiniGrid sees: the 7 x 7 cells before it, as far as walls and closed doors let it."""

from __future__ import annotations

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

VIEW = 7
"""Cells along a side of the view; the agent stands in the middle of its last row and looks up."""
EMPTY, WALL, KEY, BALL, RED_CLOSED, RED_OPEN, BLUE_CLOSED, BLUE_OPEN = range(8)
"""What a cell holds. Keys and balls are green."""
# Type, colour and state of each, as the package numbers them.
_SYMBOLS = ((1, 0, 0), (2, 5, 0), (5, 1, 0), (6, 1, 0), (4, 0, 1), (4, 0, 0), (4, 2, 1), (4, 2, 0))
_OPAQUE = (WALL, RED_CLOSED, BLUE_CLOSED)
PASSABLE = (EMPTY, RED_OPEN, BLUE_OPEN)
_AGENT = VIEW // 2, VIEW - 1
_AT_ONCE = 1 << 15


def symbol_space() -> gs.MultiDiscrete:
    """Make the space of a view: 11 types, 6 colours and 3 states, [7, 7, 3]."""
    return gs.MultiDiscrete(np.tile([11, 6, 3], (VIEW, VIEW, 1)))


def cell_steps(width: int) -> Tensor:
    """Return how the number `x + width * y` of a cell changes by a step right, down, left, up: int64 [4]."""
    return torch.tensor([1, width, -1, -width])


def view_cells(width: int, height: int) -> Tensor:
    """List which cells lie before an agent.

    Args:
        width: cells of a grid from left to right.
        height: from top to bottom; cell (x, y) has the number `x + width * y`.

    Returns:
        int64 [P, 4, 7, 7]: by the agent's cell, its direction (right, down, left, up), and the place in its view, from
        its left to its right and then from far to near; `width * height` stands for what is outside.
    """
    position = torch.arange(width * height)
    x, y = (position % width)[:, None, None, None], (position // width)[:, None, None, None]
    ahead_x, ahead_y = (torch.tensor(values)[:, None, None] for values in ([1, 0, -1, 0], [0, 1, 0, -1]))
    aside = torch.arange(VIEW)[:, None] - _AGENT[0]
    ahead = _AGENT[1] - torch.arange(VIEW)
    x = x + ahead * ahead_x - aside * ahead_y
    y = y + ahead * ahead_y + aside * ahead_x
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return torch.where(inside, x + width * y, width * height)


def visible(kinds: Tensor) -> Tensor:
    """Tell which cells of views are seen.

    Sight spreads from the agent row by row, within a row first to the right and then to the left: a cell that is seen
    and not opaque lights its neighbour in that direction, the one beyond that neighbour, and the one beyond itself.

    Args:
        kinds: what the cells hold, [N, 7, 7] as `view_cells` orders them.

    Returns:
        bool [N, 7, 7].
    """
    clear = torch.ones_like(kinds, dtype=torch.bool)
    for kind in _OPAQUE:
        clear &= kinds != kind
    seen = torch.zeros_like(clear)
    seen[:, _AGENT[0], _AGENT[1]] = True
    to_the_right = [(column, column + 1) for column in range(VIEW - 1)]
    to_the_left = [(column + 1, column) for column in reversed(range(VIEW - 1))]
    for row in reversed(range(VIEW)):
        for column, neighbour in (*to_the_right, *to_the_left):
            lit = seen[:, column, row] & clear[:, column, row]
            seen[:, neighbour, row] |= lit
            if row > 0:
                seen[:, neighbour, row - 1] |= lit
                seen[:, column, row - 1] |= lit
    return seen


def make_views(grids: Tensor, width: int, height: int) -> Tensor:
    """Make a table of all that can be seen.

    Args:
        grids: what the cells of each layout hold, uint8 [L, P].
        width: of the grids.
        height: of the grids.

    Returns:
        uint8 [L * P * 4, 7, 7, 3]: type, colour and state as the package encodes them, by layout, cell and direction.
    """
    cells = view_cells(width, height).view(-1, VIEW, VIEW)
    grids = torch.nn.functional.pad(grids, (0, 1), value=WALL)
    some = max(1, _AT_ONCE // len(cells))
    return torch.cat([_encode(part[:, cells].flatten(0, 1)) for part in grids.split(some)])


def make_sights(grids: Tensor, width: int, height: int, cells: Tensor) -> Tensor:
    """Make a table of where some cells are seen from.

    Args:
        grids: as of `make_views`, [L, P].
        width: of the grids.
        height: of the grids.
        cells: the numbers of the cells asked for in each layout, int64 [L, n].

    Returns:
        bool [L * P * 4, n], by layout, cell and direction of the agent, who does not see what it stands on.
    """
    around = view_cells(width, height)
    grids = torch.nn.functional.pad(grids, (0, 1), value=WALL)
    found = []
    for grid, asked in zip(grids, cells, strict=True):
        seen = visible(grid[around].flatten(0, 1)).view(around.shape)
        seen[..., _AGENT[0], _AGENT[1]] = False
        found.append(torch.stack([((around == cell) & seen).any(-1).any(-1) for cell in asked], dim=-1))
    return torch.stack(found).flatten(0, 2)


def _encode(kinds: Tensor) -> Tensor:
    """Views [N, 7, 7] as the package encodes them: what is not seen is 0, and the agent's own cell is empty."""
    seen = visible(kinds)
    kinds[:, _AGENT[0], _AGENT[1]] = EMPTY
    symbols = torch.tensor(_SYMBOLS, dtype=torch.uint8)[kinds.long()]
    return symbols.masked_fill(~seen[..., None], 0)
