"""Agents: learners that act through a memory core."""

from agents.actor_critic import ActorCritic
from agents.base import Agent
from agents.encoder import Encoder
from agents.ppo import PPO
from agents.run_folder import load
from agents.world_model import Dreamer, WorldModel

__all__ = ["PPO", "ActorCritic", "Agent", "Dreamer", "Encoder", "WorldModel", "load"]
