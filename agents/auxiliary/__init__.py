"""Losses beside the agent's own that teach its memory what to hold."""

from engram.agents.auxiliary.losses import AuxiliaryLosses, GradientNorms, make_auxiliary_losses
from engram.agents.auxiliary.settings import AuxiliarySettings, ReconstructionSettings, SelfPredictionSettings
from engram.agents.auxiliary.window import Window

__all__ = [
    "AuxiliaryLosses",
    "AuxiliarySettings",
    "GradientNorms",
    "ReconstructionSettings",
    "SelfPredictionSettings",
    "Window",
    "make_auxiliary_losses",
]
