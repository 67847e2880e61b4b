"""Environments: everything becomes a stream of rows."""

from envs.diagnostic import RecallFirst
from envs.driver import Act, Driver, Rollout
from envs.evaluation import EvaluationResult, evaluate
from envs.gymnasium_env import GymnasiumEnv
from envs.native import NativeVectorEnv
from envs.popgym import make_popgym, popgym_families, popgym_ids, popgym_names
from envs.registration import register, registered_natives
from envs.vector_env import VectorEnv

__all__ = [
    "Act",
    "Driver",
    "EvaluationResult",
    "GymnasiumEnv",
    "NativeVectorEnv",
    "RecallFirst",
    "Rollout",
    "VectorEnv",
    "evaluate",
    "make_popgym",
    "popgym_families",
    "popgym_ids",
    "popgym_names",
    "register",
    "registered_natives",
]
