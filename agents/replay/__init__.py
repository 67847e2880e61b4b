"""Replay: rows of many environments on disk, and batches of windows drawn from them."""

from engram.agents.replay.agent import ReplayAgent
from engram.agents.replay.batch import Batch
from engram.agents.replay.layout import Layout
from engram.agents.replay.replay import Replay
from engram.agents.replay.settings import ReplayAgentSettings, ReplaySettings
from engram.agents.replay.storage import DamagedReplayError, Storage

__all__ = [
    "Batch",
    "DamagedReplayError",
    "Layout",
    "Replay",
    "ReplayAgent",
    "ReplayAgentSettings",
    "ReplaySettings",
    "Storage",
]
