"""What Memory Maze tells besides the picture, with the names and frames of the package's ExtraObs variants."""

from __future__ import annotations

import functools

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.sizes import COLORS, MazeSize


def global_spaces(size: MazeSize) -> dict[str, gs.Space]:
    """Return the space of every part of `global_observables`."""
    shapes: dict[str, tuple[int, ...]] = {
        "target_color": (3,),
        "agent_pos": (2,),
        "agent_dir": (2,),
        "targets_vec": (size.num_targets, 2),
        "targets_pos": (size.num_targets, 2),
        "target_vec": (2,),
        "target_pos": (2,),
    }
    spaces: dict[str, gs.Space] = {
        key: gs.Box(-np.inf, np.inf, shape, np.float32) for key, shape in shapes.items()
    }
    return {**spaces, "maze_layout": gs.Box(0, 1, (size.cells, size.cells), np.uint8)}


def global_observables(scene: Scene) -> dict[str, Tensor]:
    """Return what only the world knows.

    Positions are in cells from the bottom-left inner corner; vectors point from the agent, in cells to its
    right and ahead of it.

    Args:
        scene: batch [B] with K targets.

    Returns:
        `target_color` [B, 3] in [0, 1], `agent_pos` [B, 2], `agent_dir` [B, 2] of length 1, `targets_vec` and
        `targets_pos` [B, K, 2], `target_vec` and `target_pos` [B, 2], all float32, and `maze_layout` uint8
        [B, n, n], 1 where a cell is free, [0, 0] at the bottom left, indexed [y, x].
    """
    ahead = torch.stack([scene.heading.cos(), scene.heading.sin()], dim=1)
    right = torch.stack([ahead[:, 1], -ahead[:, 0]], dim=1)
    away = scene.target_positions - scene.position[:, None]
    vectors = torch.stack([(away * right[:, None]).sum(2), (away * ahead[:, None]).sum(2)], dim=2)
    color = scene.target_colors.gather(1, scene.current_target[:, None]).squeeze(1).to(torch.int64)
    return {
        "target_color": _lights(ahead.device)[color],
        "agent_pos": scene.position,
        "agent_dir": ahead,
        "targets_vec": vectors,
        "targets_pos": scene.target_positions,
        "target_vec": _current(vectors, scene.current_target),
        "target_pos": _current(scene.target_positions, scene.current_target),
        "maze_layout": (~scene.walls[:, 1:-1, 1:-1]).to(torch.uint8),
    }


@functools.cache
def _lights(device: torch.device) -> Tensor:
    """Return the colours, float32 [6, 3] in [0, 1]; not to be changed. Copying them anew would wait for the device."""
    return torch.tensor(list(COLORS.values()), dtype=torch.float32, device=device)


def _current(values: Tensor, target: Tensor) -> Tensor:
    """The current target's entry [B, 2] of [B, K, 2]."""
    return values.gather(1, target[:, None, None].expand(-1, 1, 2)).squeeze(1)
