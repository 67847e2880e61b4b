"""Probes: what can be read off a memory that the task hides."""

from engram.instruments.probes.features import memory_features
from engram.instruments.probes.probing import Probe, probe
from engram.instruments.probes.readouts import READOUTS, Readout

__all__ = ["READOUTS", "Probe", "Readout", "memory_features", "probe"]
