"""The results of an evaluation: as they are said, and as they are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engram.common.errors import UsageError
from engram.common.say import say
from engram.envs import EvaluationResult
from engram.envs.evaluation import mean_and_error
from engram.run_files.json_text import json_text
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import sealed


def summary(result: EvaluationResult) -> dict[str, Any]:
    """What is stored of episodes: mean and standard error of the return, and of each `metrics` that was reported."""
    return {
        **_moments(result.returns),
        "mean_length": float(np.mean(result.lengths)),
        "num_truncated": result.num_truncated,
        "metrics": {name: _moments(values) for name, values in result.reported.items()},
    }


def _moments(values: Sequence[float]) -> dict[str, Any]:
    mean, error = mean_and_error(values)
    return {
        "episodes": len(values),
        "mean": mean,
        "standard_error": error if len(values) > 1 else None,
    }


def with_error(value: float, error: float) -> str:
    """A mean, and its standard error where there is one."""
    return f"{value:.4f}" if math.isnan(error) else f"{value:.4f} ± {error:.4f}"


def write_results(path: Path, content: dict[str, Any]) -> None:
    """Write results in one step; if that fails after all, print them, because they took long to get.

    Args:
        path: the file; its folder is made.
        content: JSON values; the file gets a checksum of them as well.

    Raises:
        UsageError: if it cannot be written.
    """
    text = json_text(sealed(content), indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)
    except OSError as error:
        say(*text.rstrip().split("\n"))
        raise UsageError(
            f"Results are written to {path}, but it cannot be written to ({error.strerror}); they are printed above."
        ) from error
