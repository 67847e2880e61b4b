"""Replay: rows of many environments on disk, and batches of windows drawn from them."""

from engram.agents.replay.batch import Batch, DrawsPictures, ReplayAgent
from engram.agents.replay.layout import Layout
from engram.agents.replay.replay import Replay
from engram.agents.replay.settings import ReplaySettings
from engram.agents.replay.storage import DamagedReplayError, Storage

__all__ = [
    "Batch",
    "DamagedReplayError",
    "DrawsPictures",
    "Layout",
    "Replay",
    "ReplayAgent",
    "ReplaySettings",
    "Storage",
]
