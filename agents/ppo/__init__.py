"""Recurrent proximal policy optimisation."""

from engram.agents.ppo.ppo import PPO
from engram.agents.ppo.settings import PPOSettings

__all__ = ["PPO", "PPOSettings"]
