"""Agents: learners that act through a memory core."""

from engram.agents.actor_critic import ActorCritic
from engram.agents.base import Agent
from engram.agents.encoder import Encoder
from engram.agents.ppo import PPO
from engram.agents.run_folder import load
from engram.agents.world_model import Dreamer, WorldModel

__all__ = ["PPO", "ActorCritic", "Agent", "Dreamer", "Encoder", "WorldModel", "load"]
