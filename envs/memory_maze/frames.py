"""The renderer as one node of a compiled graph, whose tracing would otherwise go into its caches and threads."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from engram.envs.memory_maze.rendering.engine import render_frames
from engram.envs.memory_maze.scene import Scene

_PARTS = tuple(field.name for field in fields(Scene))


def draw_frames(
    scene: Scene, textures: Tensor, image_size: int, wall_height: float, target_height: float
) -> Tensor:
    """Draw what the agents see; arguments and result are those of `render_frames`."""
    if torch.compiler.is_compiling():
        parts = [getattr(scene, part) for part in _PARTS]
        return _draw_node(parts, textures, image_size, wall_height, target_height)
    return render_frames(scene, textures, image_size, wall_height, target_height)


@torch.library.custom_op("engram::draw_frames", mutates_args=())
def _draw_node(
    parts: list[Tensor], textures: Tensor, image_size: int, wall_height: float, target_height: float
) -> Tensor:
    """Draw the scene of these parts as one node of a graph."""
    return render_frames(Scene(*parts), textures, image_size, wall_height, target_height)


@_draw_node.register_fake
def _(
    parts: list[Tensor], textures: Tensor, image_size: int, wall_height: float, target_height: float
) -> Tensor:
    return textures.new_empty((len(parts[0]), image_size, image_size, 3), dtype=torch.uint8)
