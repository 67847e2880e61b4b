"""The body's motion: the one function that an environment calls, on any device."""

from __future__ import annotations

import functools
from types import ModuleType

import torch
from torch import Tensor

from engram.envs.memory_maze.motion.reference import move_reference
from engram.envs.memory_maze.triton_error import triton_is_needed


def move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Move every body for one step of 0.25 s; arguments and result are those of `reference.move_reference`.

    Compiled loops run on a CPU (numba) and on CUDA (Triton); on any other device the reference runs.
    torch.compile keeps them as one node of its graph.
    """
    if torch.compiler.is_compiling():
        return _move_node(body, drive, steer, walls, layout, target, reach)
    return _move(body, drive, steer, walls, layout, target, reach)


def _move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Move where the bodies are."""
    if body.device.type not in ("cpu", "cuda"):
        return move_reference(body, drive, steer, walls, layout, target, reach)
    return _engine(body.device.type).move(body, drive, steer, walls, layout, target, reach)


@functools.cache
def _engine(device_type: str) -> ModuleType:
    """Return the module of `move` for "cpu" or "cuda", imported late since its compiler is slow to.

    Raises:
        RuntimeError: Triton is missing.
    """
    if device_type == "cpu":
        from engram.envs.memory_maze.motion import cpu

        return cpu
    with triton_is_needed():
        from engram.envs.memory_maze.motion import cuda
    return cuda


@torch.library.custom_op("engram::move_bodies", mutates_args=())
def _move_node(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Move as one node of a graph."""
    return _move(body, drive, steer, walls, layout, target, reach)


@_move_node.register_fake
def _(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(body), torch.empty_like(drive, dtype=torch.bool)
