"""Memory Maze: the real one through MuJoCo, and a native batched one that agents transfer from."""

from __future__ import annotations

import functools
from collections.abc import Callable

from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.memory_maze.sizes import SIZES
from engram.envs.native import NativeVectorEnv

__all__ = ["MemoryMaze", "memory_maze_factories"]


def memory_maze_factories() -> dict[str, Callable[..., NativeVectorEnv]]:
    """Return what makes each size of the native maze, given `num_envs` and options, by its Gymnasium id."""
    return {f"engram/MemoryMaze-{size}-v0": functools.partial(MemoryMaze, size=size) for size in SIZES}
