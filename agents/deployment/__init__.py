"""Trained agents where they are used: played row by row, in stable-baselines3's evaluation, and as exported files."""

from engram.agents.deployment.acting_module import ActingModule
from engram.agents.deployment.export import export_agent
from engram.agents.deployment.player import Player
from engram.agents.deployment.sb3_policy import SB3Policy

__all__ = ["ActingModule", "Player", "SB3Policy", "export_agent"]
