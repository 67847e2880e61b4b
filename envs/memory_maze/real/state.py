"""The state of the real Memory Maze: what there is to see, the agent's pose, and what each pixel shows."""

from __future__ import annotations

import math

import numpy as np
import torch

from engram.envs.memory_maze.real.env import RealMemoryMaze
from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.sizes import CELL_METRES, COLORS, SIZES, WALL_TEXTURES

# Classes of pixels; target i is _TARGETS + i.
SKY, FLOOR, WALL, FIRST_TARGET = 0, 1, 2, 3
_CAMERA = "walker/egocentric"
_OUTER = "*"


def read_scene(env: RealMemoryMaze) -> Scene:
    """Return all that a picture of the current episode shows, as a batch of one maze."""
    task, physics, size = env.task, env.physics, SIZES[env.options.size]
    maze = task._maze_arena.maze
    # The package's rows go down.
    entities, rooms = np.flip(maze.entity_layer, 0), np.flip(maze.variations_layer, 0) != "."
    positions = np.array([physics.bind(target.geom).xpos[:2] for target in task._targets])
    colors = list(COLORS.values())
    nearest = [np.abs(np.array(colors) - color).sum(1).argmin() for color in task._target_colors]
    return Scene(
        walls=torch.from_numpy(np.char.isdigit(entities) | (entities == _OUTER))[None],
        rooms=torch.from_numpy(rooms.copy())[None],
        wall_textures=torch.from_numpy(_block_textures(env))[None],
        position=torch.tensor(position(env), dtype=torch.float32)[None],
        heading=torch.tensor([heading(env)], dtype=torch.float32),
        target_positions=torch.from_numpy(_to_cells(positions, size.cells)).float()[None],
        target_colors=torch.tensor(nearest[: size.num_targets], dtype=torch.uint8)[None],
        current_target=torch.tensor([task._current_target_ix]),
    )


def position(env: RealMemoryMaze) -> np.ndarray:
    """Return the centre of the agent's body in cells from the bottom-left inner corner, float64 [2]."""
    return _to_cells(env.physics.bind(env.task._walker.root_body).xpos[:2], SIZES[env.options.size].cells)


def heading(env: RealMemoryMaze) -> float:
    """Return the agent's heading in radians, counter-clockwise from the x axis."""
    forward = env.physics.bind(env.task._walker.root_body).xmat.reshape(3, 3)[:2, 1]
    return math.atan2(forward[1], forward[0])


def place(env: RealMemoryMaze, position: np.ndarray, heading: float) -> None:
    """Put the agent at rest elsewhere, without a step of physics.

    Args:
        env: after its first reset.
        position: in cells [2].
        heading: radians.
    """
    physics, walker = env.physics, env.task._walker
    metres = (np.asarray(position, np.float64) - SIZES[env.options.size].cells / 2) * CELL_METRES
    # The steering hinge turns clockwise.
    walker.set_pose(physics, [*metres, 0.0], [math.cos(heading / 2), 0.0, 0.0, -math.sin(heading / 2)])
    physics.data.qvel[:] = 0.0
    physics.data.qacc_warmstart[:] = 0.0
    physics.forward()


def view(env: RealMemoryMaze) -> np.ndarray:
    """Return what the agent's camera sees, without the border, uint8 [H, W, 3]."""
    side = env.options.camera_resolution
    return np.asarray(env.physics.render(side, side, camera_id=_CAMERA))


def view_classes(env: RealMemoryMaze) -> np.ndarray:
    """Return what each pixel of the agent's view shows: `SKY`, `FLOOR`, `WALL` or a target, uint8 [H, W]."""
    physics, side = env.physics, env.options.camera_resolution
    names = [physics.model.id2name(index, "geom") for index in range(physics.model.ngeom)]
    targets = {target.geom.full_identifier: index for index, target in enumerate(env.task._targets)}
    # Index -1 is where there is no geom.
    classes = np.array([_class_of(name, targets) for name in names] + [SKY], np.uint8)
    seen = physics.render(side, side, camera_id=_CAMERA, segmentation=True)[..., 0]
    return np.asarray(classes[seen])


def _class_of(name: str, targets: dict[str, int]) -> int:
    if name in targets:
        return FIRST_TARGET + targets[name]
    return WALL if name.startswith("wall") else FLOOR


def _block_textures(env: RealMemoryMaze) -> np.ndarray:
    """Return the entry of `WALL_TEXTURES` of each block, uint8 [3, 3], bottom row first."""
    chosen = env.task._maze_arena._current_wall_texture
    # The package names the blocks 0 to 8 row by row from the top.
    blocks = [WALL_TEXTURES.index(chosen[str(block)].name) for block in range(9)]
    return np.flip(np.array(blocks, np.uint8).reshape(3, 3), 0).copy()


def _to_cells(metres: np.ndarray, cells: int) -> np.ndarray:
    return np.asarray(metres / CELL_METRES + cells / 2)
