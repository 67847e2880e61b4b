"""Parallelised Q-network: Q(λ) from rollouts, without a replay or a target network."""

from engram.agents.pqn.pqn import PQN
from engram.agents.pqn.settings import PQNSettings

__all__ = ["PQN", "PQNSettings"]
