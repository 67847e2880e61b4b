"""Memory Gym: commands and paths to be remembered, on a grid, and commands without an end."""

from engram.envs.memory_gym.endless_mortar_mayhem import EndlessMortarMayhem
from engram.envs.memory_gym.mortar_mayhem import MortarMayhemGrid
from engram.envs.memory_gym.mystery_path import MysteryPathGrid
from engram.envs.memory_gym.tasks import TASKS

__all__ = ["TASKS", "EndlessMortarMayhem", "MortarMayhemGrid", "MysteryPathGrid"]
