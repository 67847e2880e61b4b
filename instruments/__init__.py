"""Instruments: what a trained memory is asked, and what it holds."""

from engram.instruments.attention_finding import agent_reads
from engram.instruments.distances import by_distance, half_distance, positions
from engram.instruments.finding import Finding
from engram.instruments.hidden_rows import HiddenRows, play_hidden
from engram.instruments.played import Played, play_rows
from engram.instruments.recall import ForgetfulPolicy
from engram.instruments.saliency import Saliency, agent_saliency, pixel_saliency, saliency

__all__ = [
    "Finding",
    "ForgetfulPolicy",
    "HiddenRows",
    "Played",
    "Saliency",
    "agent_reads",
    "agent_saliency",
    "by_distance",
    "half_distance",
    "pixel_saliency",
    "play_hidden",
    "play_rows",
    "positions",
    "saliency",
]
