"""The renderer in host memory: torch's tensors as the arrays of the compiled loops, on torch's number of threads."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engram.envs.memory_maze.rendering.camera import (
    COS_PITCH,
    SIN_PITCH,
    focal_length,
    pixel_slopes,
    sky_picture,
)
from engram.envs.memory_maze.rendering.cpu_kernels import draw_frames
from engram.envs.memory_maze.rendering.shading import border_width, prompt_colors, target_lights
from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.threads import in_shares

FANS = 256
"""Fans of directions at least: each is then narrower than a cell at the far end of the largest maze."""
FANS_PER_PIXEL = 4
"""Fewer have more pixels with a corner in their fan; more cost more walks through the grid."""
FRAMES_PER_THREAD = 16
"""A thread is not started for fewer."""
_CPU = torch.device("cpu")


class _View(NamedTuple):
    """What is the same for all frames of a size: slopes, the fan of each pixel, the fans' edges, the sky."""

    slopes: NDArray[np.float32]
    fans: NDArray[np.int32]
    edges: NDArray[np.float32]
    sky: NDArray[np.uint8]


def render_frames(
    scene: Scene, textures: Tensor, image_size: int, wall_height: float, target_height: float
) -> Tensor:
    """Draw the frames; arguments and result are those of `reference.render`, lengths in cells."""
    batch = len(scene.walls)
    frames = torch.empty(batch, image_size, image_size, 3, dtype=torch.uint8)
    atlas = textures.contiguous().view(torch.int64).squeeze(-1)
    tensors = (
        scene.walls,
        scene.rooms,
        scene.wall_textures,
        scene.position,
        scene.heading,
        scene.target_positions,
        scene.target_colors,
        scene.current_target,
        atlas,
    )
    arguments = (
        *(tensor.detach().contiguous().numpy() for tensor in tensors),
        *_view(image_size),
        target_lights(_CPU).numpy(),
        prompt_colors(_CPU).numpy(),
        np.float32(focal_length(image_size)),
        border_width(image_size),
        np.float32(wall_height),
        np.float32(target_height),
        frames.numpy(),
    )
    in_shares(functools.partial(draw_frames, *arguments), batch, FRAMES_PER_THREAD)
    return frames


@functools.cache
def _view(image_size: int) -> _View:
    slopes = pixel_slopes(image_size, _CPU).numpy()
    ratios = slopes[None, :] / (np.float32(COS_PITCH) - slopes[:, None] * np.float32(SIN_PITCH))
    widest = float(np.abs(ratios).max()) * (1 + 1e-6)
    number = max(FANS, FANS_PER_PIXEL * image_size)
    edges = np.linspace(-widest, widest, number + 1, dtype=np.float32)
    fans = np.clip(np.searchsorted(edges, ratios, side="right") - 1, 0, number - 1)
    return _View(slopes, fans.astype(np.int32), edges, sky_picture(image_size, _CPU).numpy())
