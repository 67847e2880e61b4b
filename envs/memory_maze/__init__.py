"""Memory Maze: the real one through MuJoCo, and a native batched one that agents transfer from."""

from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.memory_maze.tasks import TASKS

__all__ = ["TASKS", "MemoryMaze"]
