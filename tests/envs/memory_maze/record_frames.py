"""Records what the real Memory Maze looks like: `python tests/envs/memory_maze/record_frames.py`.

Writes `recordings/frames_<size>.npz`: 200 poses in 20 mazes of each size, at rest, drawn at 64x64. With M mazes,
P poses, K targets and N = n + 2, in the units and orientation of `engram.envs.memory_maze.scene.Scene`:

    walls, rooms        bool [M, N, N], indexed [y, x], y = 0 the bottom outer wall
    wall_textures       uint8 [M, 3, 3], indexed [y, x]: entry of WALL_TEXTURES of each block
    cell_textures       uint8 [M, N, N]: the same of each wall cell; 255 where there is no wall
    target_positions    float32 [M, K, 2]
    target_colors       uint8 [M, K], entries of COLORS
    maze                int64 [P], the maze of each pose
    position            float32 [P, 2];  heading float32 [P];  current_target int64 [P]
    classes             uint8 [P, 64, 64], row 0 on top: 0 sky, 1 floor, 2 wall, 3 + i target i; without the border
    rgb                 uint8 [R, 64, 64, 3], with the border, of the poses `rgb_pose` int64 [R]
    versions            what it was recorded with, as JSON

The package divides its rows into blocks from the top, where the grid's row 0 is: in the orientation of here, block
column i ends at floor((i + 1) * N / 3), but block row i at ceil((i + 1) * N / 3). `cell_textures` shows it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from engram.envs.memory_maze.real import REAL_SIZES, RealMemoryMaze, installed_versions
from engram.envs.memory_maze.real.package import load_tasks
from engram.envs.memory_maze.real.state import place, read_scene, view, view_classes
from engram.envs.memory_maze.sizes import WALL_TEXTURES

RECORDINGS = Path(__file__).parent / "recordings"
MAZES, POSES, PICTURES = 20, 10, 50
BODY = 0.1  # radius in cells
NO_WALL = 255


def cell_textures(env: RealMemoryMaze) -> np.ndarray:
    """The texture of each wall cell, from the compiled model: that of the geoms whose centre line crosses it."""
    arena, physics = env.task._maze_arena, env.physics
    textures = np.full(arena.maze.entity_layer.shape, NO_WALL, np.uint8)
    for geom in range(physics.model.ngeom):
        name = physics.model.id2name(geom, "geom")
        if not name.startswith("wall") or "texturing" in name:
            continue
        side = physics.model.name2id(f"{name}_texturing_pos_z", "geom")
        ids = physics.model.mat_texid[physics.model.geom_matid[side]]
        (texture,) = {physics.model.id2name(index, "texture") for index in np.ravel(ids) if index >= 0}
        centre, half = physics.model.geom_pos[geom][:2], physics.model.geom_size[geom][:2]
        low = np.round((centre - half) / 2 + textures.shape[0] / 2).astype(int)
        high = np.round((centre + half) / 2 + textures.shape[0] / 2).astype(int)
        textures[low[1] : high[1], low[0] : high[0]] = WALL_TEXTURES.index(texture.rpartition("/")[2])
    return textures


def draw_position(walls: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A uniform position that no wall overlaps, in cells from the bottom-left inner corner, float32 [2]."""
    while True:
        position = generator.uniform(0, walls.shape[0] - 2, 2)
        corners = position + BODY * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
        inside = np.floor(corners).astype(int) + 1
        if not walls[inside[:, 1], inside[:, 0]].any():
            return position.astype(np.float32)


def record(size: str) -> dict[str, np.ndarray]:
    """Play the mazes of one size and look around in each."""
    env = RealMemoryMaze(size)
    generator = np.random.default_rng(sum(map(ord, size)))
    found: dict[str, list] = {}

    def keep(**values) -> None:
        for key, value in values.items():
            found.setdefault(key, []).append(np.asarray(value))

    for maze in range(MAZES):
        env.reset(seed=1000 if maze == 0 else None)
        env.step(0)  # a target in the centre of the maze is invisible until the first step
        scene = read_scene(env)
        fixed = ("walls", "rooms", "wall_textures", "target_positions", "target_colors")
        keep(**{key: getattr(scene, key)[0].numpy() for key in fixed})
        keep(cell_textures=cell_textures(env))
        for pose in range(POSES):
            position = draw_position(scene.walls[0].numpy(), generator)
            heading = np.float32(generator.uniform(-np.pi, np.pi))
            target = int(generator.integers(len(env.task._targets)))
            place(env, position, float(heading))
            reached = read_scene(env)
            assert np.abs(reached.position[0].numpy() - position).max() < 1e-5
            assert abs(float(reached.heading) - heading) < 1e-5
            keep(maze=maze, position=position, heading=heading, current_target=target)
            keep(classes=view_classes(env))
            if (maze * POSES + pose) % (MAZES * POSES // PICTURES) == 0:
                color = env.task._target_colors[target]
                image = {"image": view(env).copy(), "target_color": color}
                keep(rgb=load_tasks().TargetColorAsBorderWrapper.observation(None, image)["image"])
                keep(rgb_pose=maze * POSES + pose)
    return {key: np.stack(values) for key, values in found.items()}


if __name__ == "__main__":
    RECORDINGS.mkdir(exist_ok=True)
    for size in REAL_SIZES:
        versions = np.array(json.dumps(installed_versions()))
        recorded = record(size)
        np.savez_compressed(RECORDINGS / f"frames_{size}.npz", versions=versions, **recorded)
        print(size, {key: value.shape for key, value in recorded.items()}, flush=True)
