"""Replay: rows of many environments on disk, and batches of windows drawn from them."""

from agents.replay.batch import Batch, DrawsPictures, ReplayAgent
from agents.replay.layout import Layout
from agents.replay.replay import Replay
from agents.replay.settings import ReplaySettings
from agents.replay.storage import DamagedReplayError, Storage

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
