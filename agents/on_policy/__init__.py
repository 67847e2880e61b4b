"""What agents share that learn from each rollout once, in minibatches of sequences, and drop it."""

from engram.agents.on_policy.agent import OnPolicyAgent
from engram.agents.on_policy.settings import OnPolicySettings

__all__ = ["OnPolicyAgent", "OnPolicySettings"]
