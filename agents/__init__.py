"""Agents: learners that act through a memory core."""

from engram.agents.base import Agent
from engram.agents.impala.impala import IMPALA
from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.q_network import QNetwork
from engram.agents.networks.soft_actor_critic import SoftActorCritic
from engram.agents.ppo.ppo import PPO
from engram.agents.pqn.pqn import PQN
from engram.agents.r2d2.r2d2 import R2D2
from engram.agents.sac.sac import SAC
from engram.agents.stored.loading import load
from engram.agents.world_model import Dreamer, WorldModel

__all__ = [
    "IMPALA",
    "PPO",
    "PQN",
    "R2D2",
    "SAC",
    "ActorCritic",
    "Agent",
    "Dreamer",
    "Encoder",
    "QNetwork",
    "SoftActorCritic",
    "WorldModel",
    "load",
]
