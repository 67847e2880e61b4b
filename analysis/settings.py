"""How to compare: the options of the command, and the names they go by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engram.analysis.statistics import Estimate, estimate, interquartile_mean, mean
from engram.common.metric_names import RETURN, evaluation_key, training_key

STATISTICS = {"mean": mean, "iqm": interquartile_mean}


@dataclass(frozen=True)
class Settings:
    """How to compare; the options of the command.

    Attributes:
        group: `agent`, `core` or keys of the configuration; None: agent, core and whatever else runs differ in.
        metric: what curves and scores are made of: `episodic_return`, or another name in `metrics.jsonl`, with what
            stands before its slash (`losses/value`) or, of episodes, without (`success_rate`).
        episodes: `training` or `evaluation`: whose, for a name without a slash.
        aggregate: `mean` or `iqm`, for curves and tables.
        x_scale: `linear` or `log`: of the axis that curves are drawn over, and how their points are spread on it.
        score: one of `SCORES`, for aggregates, profiles and probabilities.
        epoch_env_steps: over which what is measured in training is averaged; None: a hundredth of the longest run.
        points: of a curve.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the bootstrap.
        bounds: values that score 0 and 1, by task.
        chance: returns of uniformly random actions, by task; for those of which Engram does not know it.
    """

    group: Sequence[str] | None = None
    metric: str = RETURN
    episodes: str = "training"
    aggregate: str = "mean"
    x_scale: str = "linear"
    score: str = "mmer"
    epoch_env_steps: float | None = None
    points: int = 100
    resamples: int = 10_000
    confidence: float = 0.95
    seed: int = 0
    bounds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Of the metric in `metrics.jsonl`."""
        if "/" in self.metric:
            return self.metric
        return evaluation_key(self.metric) if self.episodes == "evaluation" else training_key(self.metric)

    @property
    def name(self) -> str:
        """The metric's without what stands before its slash."""
        return self.metric.rpartition("/")[2]

    @property
    def evaluation_key(self) -> str:
        """Of the metric in evaluations."""
        return evaluation_key(self.name)

    @property
    def label(self) -> str:
        """The metric in words."""
        if "/" in self.metric:
            return self.metric
        return f"{self.episodes} {'return' if self.metric == RETURN else self.metric.replace('_', ' ')}"

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
