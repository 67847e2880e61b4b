"""The pictures on walls and floors: labmaze's where it is installed, else similar ones drawn here.

Each picture is held at every power of two from `TEXTURE_SIZE` pixels down to one, every level the average
of four pixels of the one before, so that a distant wall needs no more than four pixels, as a graphics card does it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engram.common.random import normal, randint
from engram.envs.memory_maze.sizes import FLOOR_TEXTURES, WALL_TEXTURES

TEXTURE_SIZE = 256
"""Pixels along a side of the finest level. The real one has 1,024: they differ within half a metre of a wall."""
LEVELS = TEXTURE_SIZE.bit_length()
TEXELS = (4 * TEXTURE_SIZE**2 - 1) // 3
"""Pixels of all levels of one picture."""
LEVEL_STARTS = tuple((4**LEVELS - 4 ** (LEVELS - level)) // 3 for level in range(LEVELS))
"""How many pixels come before each level."""
STYLE = "style_01"

# Mean colour of each picture, and the standard deviation of its pixels.
_WALL_COLORS = {
    "blue": ((32, 116, 177), (9, 32, 49)),
    "cerise": ((169, 65, 103), (36, 15, 23)),
    "green_bright": ((166, 197, 156), (20, 25, 17)),
    "green": ((85, 120, 75), (15, 21, 13)),
    "purple": ((68, 80, 176), (18, 21, 40)),
    "red_bright": ((213, 123, 104), (32, 16, 11)),
    "red": ((143, 32, 26), (34, 7, 6)),
    "yellow": ((196, 169, 38), (42, 36, 10)),
}
_FLOOR_COLORS = {"blue": ((54, 89, 109), (4, 7, 9)), "blue_bright": ((111, 148, 170), (5, 8, 9))}


def load_textures(device: torch.device | str = "cpu", procedural: bool | None = None) -> Tensor:
    """Load the pictures of `WALL_TEXTURES` and after them of `FLOOR_TEXTURES`, with all their levels.

    Args:
        device: of the result.
        procedural: draw the pictures here instead of reading labmaze's; None does so if it is not installed.

    Returns:
        int16 [10, TEXELS, 4]: red, green, blue and nothing, in [0, 255]; with 16 bits each, one product in
        64 bits scales all of them. Level l has `TEXTURE_SIZE >> l` rows from the top and follows level l - 1.

    Raises:
        ValueError: labmaze's pictures are asked for and it is not installed.
    """
    installed = importlib.util.find_spec("labmaze") is not None
    if procedural is None:
        procedural = not installed
    if not procedural and not installed:
        raise ValueError(
            "procedural=False takes the pictures of the package labmaze, which is not installed; "
            "install labmaze, or leave the argument out."
        )
    images = procedural_images() if procedural else labmaze_images()
    return mip_chain(images).to(device)


def labmaze_images() -> Tensor:
    """Read labmaze's pictures, averaged down to float32 [10, TEXTURE_SIZE, TEXTURE_SIZE, 3] in [0, 255]."""
    from labmaze import assets

    walls, floors = assets.get_wall_texture_paths(STYLE), assets.get_floor_texture_paths(STYLE)
    paths = [walls[name] for name in WALL_TEXTURES] + [floors[name] for name in FLOOR_TEXTURES]
    return torch.stack([_read_image(path) for path in paths])


def procedural_images() -> Tensor:
    """Draw panels of several sizes with dark seams, in the colours of labmaze's pictures.

    Returns:
        float32 [10, TEXTURE_SIZE, TEXTURE_SIZE, 3] in [0, 255]; the same on every machine.
    """
    walls = [_panels(index, *_WALL_COLORS[name]) for index, name in enumerate(WALL_TEXTURES)]
    floors = [_panels(len(walls) + index, *_FLOOR_COLORS[name]) for index, name in enumerate(FLOOR_TEXTURES)]
    return torch.stack(walls + floors)


def mip_chain(images: Tensor) -> Tensor:
    """Average pictures down to one pixel, level by level.

    Args:
        images: float [n, TEXTURE_SIZE, TEXTURE_SIZE, 3] in [0, 255].

    Returns:
        int16 [n, TEXELS, 4], as `load_textures` describes.
    """
    level, levels = images.permute(0, 3, 1, 2), []
    for _ in range(LEVELS):
        levels.append(level.flatten(2))
        level = F.avg_pool2d(level, 2) if level.shape[-1] > 1 else level
    texels = torch.cat(levels, dim=-1).transpose(1, 2)
    return F.pad(texels.round().to(torch.int16), (0, 1)).contiguous()


def _read_image(path: str) -> Tensor:
    """Read a square picture and average blocks of pixels, float32 [TEXTURE_SIZE, TEXTURE_SIZE, 3]."""
    from matplotlib.image import imread

    pixels = torch.from_numpy(np.array(imread(path)[..., :3], dtype=np.float32)) * 255.0
    return F.avg_pool2d(pixels.permute(2, 0, 1), pixels.shape[0] // TEXTURE_SIZE).permute(1, 2, 0)


def _panels(index: int, mean: Sequence[int], deviation: Sequence[int]) -> Tensor:
    """Draw one picture: rectangles of 64 random panels over each other, each lighter or darker, with seams."""
    size = TEXTURE_SIZE
    pattern = torch.zeros(size, size)
    panels = torch.arange(64)
    corners = randint(size, "maze texture", index, panels.unsqueeze(-1), torch.arange(2)).tolist()
    sides = randint(7, "maze panel", index, panels.unsqueeze(-1), torch.arange(2)).tolist()
    tones = normal("maze tone", index, panels)[:, 0].tolist()
    for (top, left), (height, width), tone in zip(corners, sides, tones, strict=True):
        rows = torch.arange(top, top + 16 * (height + 2)) % size
        columns = torch.arange(left, left + 16 * (width + 2)) % size
        pattern[rows[:, None], columns] = tone - 2.0
        pattern[rows[3:, None], columns[3:]] = tone
    pattern = (pattern - pattern.mean()) / pattern.std()
    spread = torch.tensor(deviation, dtype=torch.float32)
    return (torch.tensor(mean) + pattern.unsqueeze(-1) * spread).clamp(0.0, 255.0)
