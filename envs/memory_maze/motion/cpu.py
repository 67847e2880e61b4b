"""The body's motion in host memory: the compiled loop on torch's tensors and number of threads."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from engram.envs.memory_maze.motion.cpu_kernels import move_bodies
from engram.envs.memory_maze.sizes import CELL_METRES
from engram.envs.memory_maze.threads import in_shares

BODIES_PER_THREAD = 64
"""A thread is not started for fewer."""


def move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Do what `reference.move_reference` does."""
    moved = torch.empty(body.shape, dtype=torch.float64)
    touched = torch.empty(len(body), dtype=torch.bool)
    goal = target.to(torch.float64) * CELL_METRES
    inputs = (tensor.contiguous().numpy() for tensor in (body, drive, steer, walls, layout, goal))
    loop = functools.partial(move_bodies, *inputs, reach * CELL_METRES, moved.numpy(), touched.numpy())
    in_shares(loop, len(body), BODIES_PER_THREAD)
    return moved, touched
