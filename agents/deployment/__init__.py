"""Trained agents where they are used: played row by row, in stable-baselines3's evaluation, and as exported files."""

from engram.agents.deployment.player import Player
from engram.agents.deployment.sb3_policy import SB3Policy

__all__ = ["Player", "SB3Policy"]
