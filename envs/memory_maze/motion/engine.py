"""The body's motion: the one function that an environment calls, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from envs.memory_maze.motion.reference import move_reference


def move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Move every body for one step of 0.25 s; arguments and result are those of `reference.move_reference`.

    A compiled loop runs on a CPU (numba). torch.compile keeps it as one node of its graph.
    """
    if torch.compiler.is_compiling():
        return _move_node(body, drive, steer, walls, layout, target, reach)
    return _move(body, drive, steer, walls, layout, target, reach)


def _move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Move where the bodies are."""
    if body.device.type != "cpu":
        return move_reference(body, drive, steer, walls, layout, target, reach)
    # numba is imported where it is first needed, since that takes half a second.
    from envs.memory_maze.motion import cpu

    return cpu.move(body, drive, steer, walls, layout, target, reach)


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
