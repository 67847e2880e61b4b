"""The options of `engram plot`, typed; `configs/plot.yaml` holds the same defaults, and says what each is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from engram.common.checked import settings
from engram.common.option_types import Fitting, Positive, Real, Seed, Whole, Word


def _is_bounds(value: Any) -> bool:
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and all(isinstance(part, int | float) for part in value) and value[0] < value[1]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value != ""


WORDS = Fitting(
    "a word, or a list of them",
    lambda value: _is_word(value) or (isinstance(value, list) and bool(value) and all(map(_is_word, value))),
    "<name>",
)
_BOUNDS = Fitting(
    "a mapping of tasks to [lowest, highest]",
    lambda value: isinstance(value, Mapping) and all(map(_is_bounds, value.values())),
    "'{CartPole-v1: [0,500]}'",
)
_CHANCE = Fitting(
    "a mapping of tasks to returns",
    lambda value: isinstance(value, Mapping) and all(map(_is_finite, value.values())),
    "'{CartPole-v1: 22.2}'",
)


@settings()
class PlotOptions:
    """Options of `engram plot`."""

    runs: Annotated[Any, WORDS]
    output: Word = "report"
    group: Annotated[Any, WORDS] | None = None
    metric: Word = "episodic_return"
    episodes: Literal["training", "evaluation"] = "training"
    aggregate: Literal["mean", "iqm"] = "mean"
    x: Literal["env_steps", "wall_clock"] = "env_steps"
    x_scale: Literal["linear", "log"] = "linear"
    score: Literal["mmer", "area", "final_evaluation"] = "mmer"
    epoch_env_steps: Positive | None = None
    bounds: Annotated[Mapping[str, Any], _BOUNDS] = field(default_factory=dict)
    chance: Annotated[Mapping[str, Any], _CHANCE] = field(default_factory=dict)
    points: Annotated[int, Whole(2)] = 100
    resamples: Annotated[int, Whole(100)] = 10_000
    confidence: Annotated[float, Real(above=0, below=1)] = 0.95
    seed: Seed = 0
    figures: bool = True
    archive: bool = False
    trust_edited: bool = False
