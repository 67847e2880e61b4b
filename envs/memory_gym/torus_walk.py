"""Walking pixel by pixel across a square whose opposite sides are joined, as Memory Gym's endless tasks have it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engram.envs.memory_gym.sprites import SIDE

MARGIN = 3
"""Pixels that a player may stand outside on each side, before the next one puts it on the opposite side."""
# What a player looks like that goes left, not, or right, and in each of these up, not, or down; 8: as before.
_LOOKS = (1, 2, 3, 0, 8, 4, 7, 6, 5)
_AS_BEFORE = 8


class TorusWalk:
    """Moves players by actions of two parts: not at all, left or right; not at all, up or down.

    Both together go as far as one alone. Places are whole numbers, cut towards zero as the package does it: along a
    diagonal 2 pixels to the right or down, and 3 to the left or up, of a speed of 3.

    Args:
        speed: pixels an action.
        device: where players are.
    """

    def __init__(self, speed: float, device: torch.device) -> None:
        steps = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2)).double()
        length = torch.tensor([math.sqrt(2) if x and y else 1.0 for x, y in steps.tolist()]).double()
        self._velocity = (steps / length[:, None] * speed).to(device)
        self._looks = torch.tensor(_LOOKS, device=device)

    def __call__(self, place: Tensor, look: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Return where players are after actions, and how they look.

        Args:
            place: x to the right and y down, int64 [B, 2], each from −3 to 87.
            look: 0 … 7 as they look up, left and up, left, …, int64 [B].
            action: int64 [B, 2].
        """
        way = (action == 2).long() - (action == 1).long()
        number = 3 * way[:, 0] + way[:, 1] + 4
        moved = (place + self._velocity.index_select(0, number)).trunc().long()
        moved = torch.where(moved > SIDE + MARGIN, -MARGIN, moved)
        moved = torch.where(moved < -MARGIN, SIDE + MARGIN, moved)
        turned = self._looks.index_select(0, number)
        return moved, torch.where(turned == _AS_BEFORE, look, turned)
