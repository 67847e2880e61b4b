"""The options of `engram leaderboard`, typed; `configs/leaderboard.yaml` says what each is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from engram.command_line.plot_options import WORDS
from engram.common.checked import settings
from engram.common.option_types import Real, Whole, Word


@settings()
class LeaderboardOptions:
    """Options of `engram leaderboard`."""

    archives: Annotated[Any, WORDS] = "docs/reports/*/runs.zip"
    submission: Annotated[Any, WORDS] | None = None
    output: Word = "docs/leaderboard"
    free: Sequence[str] = ("agent.learning_rate",)
    resamples: Annotated[int, Whole(100)] = 10_000
    confidence: Annotated[float, Real(above=0, below=1)] = 0.95
