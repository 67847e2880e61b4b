"""Memory Gym: its tasks on a grid, commands and paths to be remembered."""

from engram.envs.memory_gym.mortar_mayhem import MortarMayhemGrid
from engram.envs.memory_gym.mystery_path import MysteryPathGrid
from engram.envs.memory_gym.tasks import TASKS

__all__ = ["TASKS", "MortarMayhemGrid", "MysteryPathGrid"]
