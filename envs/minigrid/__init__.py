"""MiniGrid: its tasks of memory."""

from engram.envs.minigrid.memory import MiniGridMemory
from engram.envs.minigrid.red_blue_doors import RedBlueDoors
from engram.envs.minigrid.tasks import TASKS

__all__ = ["TASKS", "MiniGridMemory", "RedBlueDoors"]
