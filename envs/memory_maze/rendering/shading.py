"""Light and colours: the camera's own lamp, the targets, and the border that names the current target.

The lamp shines along the camera's axis whatever the pixel, so that a flat face has one factor all over.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from engram.envs.memory_maze.rendering.camera import SIN_PITCH
from engram.envs.memory_maze.sizes import CELL_METRES, COLORS

AMBIENT, DIFFUSE = 0.3, 0.6
LEVEL_FACTOR = AMBIENT + DIFFUSE * SIN_PITCH
"""Of the floor and the tops of walls, whose normal is up: 0.36."""
TARGET_RADIUS = 0.6 / CELL_METRES
PROMPT_SHARE = 0.7
"""Of a target's colour in the border."""


def border_width(image_size: int) -> int:
    """Return the width of the border in pixels, on all sides: the package's (2 of 64, 4 of 256), and at least 1."""
    return max(1, int(2 * (image_size // 64) ** 0.5))


@functools.cache
def target_lights(device: torch.device) -> Tensor:
    """Return the targets' colours in full light, float32 [6, 3] in [0, 255]; not to be changed."""
    return (torch.tensor(list(COLORS.values()), dtype=torch.float64) * 255.0).to(torch.float32).to(device)


@functools.cache
def prompt_colors(device: torch.device) -> Tensor:
    """Return the border's colours, uint8 [6, 3], cut off and not rounded; not to be changed."""
    colors = torch.tensor(list(COLORS.values()), dtype=torch.float64) * 255.0 * PROMPT_SHARE
    return colors.to(torch.uint8).to(device)
