"""The agent's camera: a pinhole ahead of its body that looks slightly down and never rolls.

In the camera's own axes the ray of the pixel in row i and column j is (1, a, -b): one unit along the axis,
`a = slopes[j]` to the right and `b = slopes[i]` down. Turned upright, it goes `COS_PITCH - b SIN_PITCH` ahead
and `-SIN_PITCH - b COS_PITCH` up, which depend on the row alone, and a to the right. Lengths are in cells.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from engram.envs.memory_maze.sizes import CELL_METRES

FIELD_OF_VIEW = math.radians(80.0)
"""From the upper edge of the picture to the lower, and from left to right."""
CAMERA_AHEAD = 0.15 / CELL_METRES
CAMERA_HEIGHT = 0.9 / CELL_METRES
PITCH = math.atan(0.1)
SIN_PITCH, COS_PITCH = math.sin(PITCH), math.cos(PITCH)

# MuJoCo's default sky: at the zenith, and what it fades to at the nadir.
_ZENITH = (0.4 * 255, 0.6 * 255, 0.8 * 255)


def focal_length(image_size: int) -> float:
    """Return the distance of a picture `image_size` pixels wide from the pinhole, in pixels."""
    return 0.5 * image_size / math.tan(0.5 * FIELD_OF_VIEW)


@functools.cache
def pixel_slopes(image_size: int, device: torch.device) -> Tensor:
    """Return the slopes a of the columns, which are the slopes b of the rows, through pixels' centres.

    Args:
        image_size: pixels along a side.
        device: of the result.

    Returns:
        float32 [image_size], ascending; kept for later calls, so not to be changed.
    """
    pixels = torch.arange(image_size, dtype=torch.float64) + 0.5 - 0.5 * image_size
    return (pixels / focal_length(image_size)).to(torch.float32).to(device)


@functools.cache
def sky_picture(image_size: int, device: torch.device) -> Tensor:
    """Return what the camera sees where there is nothing: the same at any place and heading.

    MuJoCo blends two colours by the elevation e, 1 at the zenith: (1 + √2 e / √(1 + e²)) / 2 of the upper.

    Args:
        image_size: pixels along a side.
        device: of the result.

    Returns:
        uint8 [image_size, image_size, 3]; kept for later calls, so not to be changed.
    """
    slopes = pixel_slopes(image_size, torch.device("cpu")).to(torch.float64)
    right, below = slopes[None, :], slopes[:, None]
    ahead, up = COS_PITCH - below * SIN_PITCH, -SIN_PITCH - below * COS_PITCH
    elevation = torch.atan2(up, torch.hypot(ahead, right)) / (0.5 * math.pi)
    share = 0.5 * (1.0 + math.sqrt(2.0) * elevation / (1.0 + elevation.square()).sqrt())
    colors = share.clamp(0.0, 1.0).unsqueeze(-1) * torch.tensor(_ZENITH, dtype=torch.float64)
    return colors.round().to(torch.uint8).to(device)
