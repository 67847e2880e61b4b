"""Environments: everything becomes a stream of rows."""

from engram.envs.box_actions import ActionConverter, BoxActions
from engram.envs.diagnostic import CopySequence, DiscountingChain, MemoryChain, RecallFirst, TMaze
from engram.envs.driver import Act, Driver, Rollout
from engram.envs.errors import EnvironmentFault
from engram.envs.evaluation import EvaluationResult, EvaluationStoppedError, evaluate
from engram.envs.forking import loaded_libgomps, make_forks_safe
from engram.envs.gymnasium_env import GymnasiumEnv
from engram.envs.memory_maze.registry import make_memory_maze, memory_maze_names
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym import make_popgym, popgym_families, popgym_ids, popgym_names
from engram.envs.registration import register, registered_natives
from engram.envs.vector_env import VectorEnv

make_forks_safe(loaded_libgomps())

__all__ = [
    "Act",
    "ActionConverter",
    "BoxActions",
    "CopySequence",
    "DiscountingChain",
    "Driver",
    "EnvironmentFault",
    "EvaluationResult",
    "EvaluationStoppedError",
    "GymnasiumEnv",
    "MemoryChain",
    "NativeVectorEnv",
    "RecallFirst",
    "Rollout",
    "TMaze",
    "VectorEnv",
    "evaluate",
    "make_memory_maze",
    "make_popgym",
    "memory_maze_names",
    "popgym_families",
    "popgym_ids",
    "popgym_names",
    "register",
    "registered_natives",
]
