"""The arena of Mortar Mayhem: its tiles, which are safe or explode."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.envs.memory_gym.sprites import SIDE

TILE = 14
"""Pixels along a side of a tile."""
# Fill and edge of a tile that is safe, and of one that is not.
_SAFE, _DEADLY = ((21, 43, 77), (29, 60, 107)), ((81, 18, 26), (112, 24, 36))


def draw_arena(is_deadly: Tensor) -> Tensor:
    """Draw the arena without a player, in the middle of a picture.

    Args:
        is_deadly: which of its tiles explode, bool [size, size].

    Returns:
        uint8 [84, 84, 3], x before y.
    """
    picture = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    begin = (SIDE - len(is_deadly) * TILE) // 2
    for column, tiles in enumerate(is_deadly.tolist()):
        for row, explodes in enumerate(tiles):
            fill, edge = (torch.tensor(color) for color in (_DEADLY if explodes else _SAFE))
            left, top = begin + column * TILE, begin + row * TILE
            picture[left : left + TILE, top : top + TILE] = edge
            picture[left + 1 : left + TILE - 1, top + 1 : top + TILE - 1] = fill
    return picture
