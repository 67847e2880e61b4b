"""Replay: rows of many environments on disk, and batches drawn from them."""

from engram.agents.replay.agent import ReplayAgent
from engram.agents.replay.batch import Batch, DrawnWindows
from engram.agents.replay.layout import Layout
from engram.agents.replay.replay import Replay
from engram.agents.replay.settings import (
    PrioritizedReplaySettings,
    ReplayAgentSettings,
    ReplaySettings,
)
from engram.agents.replay.storage import DamagedReplayError, Storage

__all__ = [
    "Batch",
    "DamagedReplayError",
    "DrawnWindows",
    "Layout",
    "PrioritizedReplaySettings",
    "Replay",
    "ReplayAgent",
    "ReplayAgentSettings",
    "ReplaySettings",
    "Storage",
]
