"""Environments: everything becomes a stream of rows."""

from envs.diagnostic import RecallFirst
from envs.driver import Act, Driver, Rollout
from envs.native import NativeVectorEnv
from envs.vector_env import VectorEnv

__all__ = ["Act", "Driver", "NativeVectorEnv", "RecallFirst", "Rollout", "VectorEnv"]
