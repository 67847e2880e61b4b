"""The body's motion in host memory: torch's tensors as the arrays of the compiled loop."""

from __future__ import annotations

import torch
from torch import Tensor

from envs.memory_maze.motion.cpu_kernels import move_bodies
from envs.memory_maze.sizes import CELL_METRES


def move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Do what `reference.move_reference` does."""
    moved = torch.empty(body.shape, dtype=torch.float64)
    touched = torch.empty(len(body), dtype=torch.bool)
    goal = target.to(torch.float64) * CELL_METRES
    inputs = (tensor.contiguous().numpy() for tensor in (body, drive, steer, walls, layout, goal))
    move_bodies(*inputs, reach * CELL_METRES, moved.numpy(), touched.numpy())
    return moved, touched
