"""The real Memory Maze: the package's own tasks in MuJoCo, through Gymnasium."""

from envs.memory_maze.real.env import RealMemoryMaze
from envs.memory_maze.real.variants import REAL_SIZES, VARIANTS, real_id, real_ids
from envs.memory_maze.real.versions import installed_versions

__all__ = ["REAL_SIZES", "VARIANTS", "RealMemoryMaze", "installed_versions", "real_id", "real_ids"]
