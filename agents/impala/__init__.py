"""Importance-weighted actor-critic, and A2C as its special case."""

from engram.agents.impala.impala import IMPALA
from engram.agents.impala.settings import IMPALASettings

__all__ = ["IMPALA", "IMPALASettings"]
