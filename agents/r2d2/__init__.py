"""Recurrent replay distributed DQN: action values from windows of a replay."""

from engram.agents.r2d2.r2d2 import R2D2
from engram.agents.r2d2.settings import R2D2Settings

__all__ = ["R2D2", "R2D2Settings"]
