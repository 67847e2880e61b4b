"""Agents: learners that act through a memory core."""

from engram.agents.base import Agent
from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.encoder import Encoder
from engram.agents.ppo.ppo import PPO
from engram.agents.stored.loading import load
from engram.agents.world_model import Dreamer, WorldModel

__all__ = ["PPO", "ActorCritic", "Agent", "Dreamer", "Encoder", "WorldModel", "load"]
