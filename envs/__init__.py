"""Environments: everything becomes a stream of rows."""

from envs.box_actions import ActionConverter, BoxActions
from envs.diagnostic import CopySequence, DiscountingChain, MemoryChain, RecallFirst, TMaze
from envs.driver import Act, Driver, Rollout
from envs.errors import EnvironmentFault
from envs.evaluation import EvaluationResult, EvaluationStoppedError, evaluate
from envs.forking import loaded_libgomps, make_forks_safe
from envs.gymnasium_env import GymnasiumEnv
from envs.memory_maze.registry import make_memory_maze, memory_maze_names
from envs.native import NativeVectorEnv
from envs.popgym import make_popgym, popgym_families, popgym_ids, popgym_names
from envs.registration import register, registered_natives
from envs.vector_env import VectorEnv

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
