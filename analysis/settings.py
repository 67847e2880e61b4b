"""How to compare: the options of the command, and the names they go by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engram.analysis.metrics import EVALUATION, TRAINING
from engram.analysis.statistics import Estimate, estimate, interquartile_mean, mean

METRICS = {"mean": mean, "iqm": interquartile_mean}
KEYS = {"training": TRAINING, "evaluation": EVALUATION}


@dataclass(frozen=True)
class Settings:
    """How to compare; the options of the command.

    Attributes:
        group: `agent`, `core` or keys of the configuration; None: agent, core and whatever else runs differ in.
        metric: `mean` or `iqm`, for curves and tables.
        returns: `training` or `evaluation`.
        score: one of `SCORES`, for aggregates, profiles and probabilities.
        epoch_env_steps: over which training returns are averaged; None: a hundredth of the longest run.
        points: of a curve.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the bootstrap.
        bounds: returns that score 0 and 1, by task.
    """

    group: Sequence[str] | None = None
    metric: str = "mean"
    returns: str = "training"
    score: str = "mmer"
    epoch_env_steps: float | None = None
    points: int = 100
    resamples: int = 10_000
    confidence: float = 0.95
    seed: int = 0
    bounds: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def estimate(self, statistic: Any, *samples: np.ndarray) -> Estimate:
        """An aggregate with its interval."""
        return estimate(
            statistic,
            *samples,
            resamples=self.resamples,
            confidence=self.confidence,
            seed=self.seed,
        )


def plain(found: Estimate) -> dict[str, Any]:
    """An estimate as plain numbers and lists: `value`, `low`, `high`."""
    parts = {"value": found.value, "low": found.low, "high": found.high}
    return {name: None if part is None else np.asarray(part).tolist() for name, part in parts.items()}
