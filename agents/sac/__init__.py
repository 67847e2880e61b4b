"""Soft actor-critic: a policy that is as random as it can afford, learnt from windows of a replay."""

from engram.agents.sac.sac import SAC
from engram.agents.sac.settings import SACSettings

__all__ = ["SAC", "SACSettings"]
