"""Engram: reinforcement-learning agents that remember."""

__version__ = "0.2.0"
