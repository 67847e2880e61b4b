"""The options of `engram tune`, typed; `configs/tune.yaml` holds the same defaults, and says what each is for."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from engram.command_line.options import SweepOptions
from engram.common.checked import settings
from engram.common.option_types import Count, Group, Index, Seed, Word


@settings()
class SearchOptions:
    """Options of a search itself."""

    trials: Count = 20
    space: Group = field(default_factory=dict)
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    metric: Word = "episodic_return"
    score: Literal["area", "best", "last"] = "area"
    direction: Literal["maximize", "minimize"] = "maximize"
    startup_trials: Index = 8
    warmup_evaluations: Index = 1
    seed: Seed = 0


@settings()
class TuneOptions(SweepOptions):
    """Options of `engram tune`: those of a sweep, and its own."""

    tune: SearchOptions = SearchOptions()
