"""Which targets of a maze are in view: in front of the camera, and with no wall between."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engram.envs.memory_maze.rendering.camera import CAMERA_AHEAD, FIELD_OF_VIEW
from engram.envs.memory_maze.scene import Scene

_SAMPLES_PER_CELL = 24


def visible_targets(scene: Scene) -> Tensor:
    """Tell whether the centre of each target is in view.

    Args:
        scene: batch [B] with K targets.

    Returns:
        bool [B, K].
    """
    ahead = torch.stack([scene.heading.cos(), scene.heading.sin()], dim=1)
    camera = (scene.position + CAMERA_AHEAD * ahead)[:, None]
    away = scene.target_positions - camera
    angle = torch.atan2(away[..., 1], away[..., 0]) - scene.heading[:, None]
    angle = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
    is_ahead = angle.abs() <= FIELD_OF_VIEW / 2
    size = scene.walls.shape[1]
    steps = math.ceil(math.sqrt(2) * size * _SAMPLES_PER_CELL)
    part = torch.linspace(0, 1, steps, device=away.device)[:, None]
    points = camera[:, None] + part * away[:, :, None]  # [B, K, steps, 2]
    cell = (points.floor().long() + 1).clamp(0, size - 1)
    index = cell[..., 1] * size + cell[..., 0]
    is_wall = scene.walls.flatten(1).gather(1, index.flatten(1)).view_as(index)
    return is_ahead & ~is_wall.any(-1)
