"""Environments: everything becomes a stream of rows."""

from engram.common.box_actions import ActionConverter, BoxActions
from engram.common.errors import EnvironmentFault
from engram.common.rows import Act, Rollout
from engram.common.vector_env import VectorEnv
from engram.envs.diagnostic import (
    Bandit,
    CopySequence,
    DiscountingChain,
    MemoryChain,
    Parity,
    Permutations,
    RecallFirst,
    RecallPairs,
    TMaze,
)
from engram.envs.driver import Driver
from engram.envs.evaluation import EvaluationResult, EvaluationStoppedError, evaluate
from engram.envs.flat_actions import FlatActions
from engram.envs.forking import loaded_libgomps, make_forks_safe
from engram.envs.gymnasium_env import GymnasiumEnv
from engram.envs.hashed_text import HashedText
from engram.envs.native import NativeVectorEnv
from engram.envs.registration import register, registered_natives
from engram.envs.table import TASKS, find_task, make_env
from engram.envs.task import Task
from engram.envs.wrappers import NativeWrapper, Observable, Projected, Projection, Trials

make_forks_safe(loaded_libgomps())

__all__ = [
    "TASKS",
    "Act",
    "ActionConverter",
    "Bandit",
    "BoxActions",
    "CopySequence",
    "DiscountingChain",
    "Driver",
    "EnvironmentFault",
    "EvaluationResult",
    "EvaluationStoppedError",
    "FlatActions",
    "GymnasiumEnv",
    "HashedText",
    "MemoryChain",
    "NativeVectorEnv",
    "NativeWrapper",
    "Observable",
    "Parity",
    "Permutations",
    "Projected",
    "Projection",
    "RecallFirst",
    "RecallPairs",
    "Rollout",
    "TMaze",
    "Task",
    "Trials",
    "VectorEnv",
    "evaluate",
    "find_task",
    "make_env",
    "register",
    "registered_natives",
]
