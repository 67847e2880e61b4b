"""The real Memory Maze: the package's own tasks in MuJoCo, through Gymnasium."""

from engram.envs.memory_maze.real.env import RealMemoryMaze
from engram.envs.memory_maze.real.variants import REAL_SIZES, VARIANTS, real_id, short_name
from engram.envs.memory_maze.real.versions import installed_versions

__all__ = ["REAL_SIZES", "VARIANTS", "RealMemoryMaze", "installed_versions", "real_id", "short_name"]
