"""What an environment reports of an episode besides its return and length: numbers by name, read where it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engram.common.metric_names import LENGTH, RETURN, STANDARD_ERROR, metric_name

KEY = "report"
"""Where the infos of a vector environment hold what its environments report."""
_MOST_NAMES = 64
# What wrappers note for themselves, and what is known of every episode.
_BOOKKEEPING = ("TimeLimit.truncated", STANDARD_ERROR, RETURN, LENGTH)


def report_of(info: Mapping[Any, Any]) -> dict[str, float]:
    """Read what the info of an episode's last row reports.

    Args:
        info: of a Gymnasium environment.

    Returns:
        Every finite real scalar at its top (bool, int, float, numpy's, arrays without axes), 64 at most, but for
        names that begin with `_` or `final_` and other bookkeeping.
    """
    report: dict[str, float] = {}
    for key, value in info.items():
        number = _number(value)
        if number is not None and isinstance(key, str) and not key.startswith(("_", "final_")):
            name = metric_name(key)
            if name and name not in _BOOKKEEPING and len(report) < _MOST_NAMES:
                report[name] = number
    return report


def _number(value: Any) -> float | None:
    """A finite real scalar as a float; None for anything else."""
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray)) or np.ndim(value) != 0:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":  # an int beyond 64 bits is an object
        return None
    number = float(array)
    return number if math.isfinite(number) else None


def batched_report(infos: Mapping[str, Any]) -> dict[str, Tensor]:
    """Read the reports in the infos of a Gymnasium vector environment.

    Returns:
        By name float64 [B], NaN where an environment reports none.
    """
    given = infos.get(KEY, {})
    return {
        name: torch.from_numpy(np.where(given[f"_{name}"], values, np.nan).astype(np.float64))
        for name, values in given.items()
        if not name.startswith("_")
    }


def stack_reports(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Stack reports [B], one for each row in time, to [B, T] by name, NaN where a row has none."""
    stacked = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        blank = torch.full_like(next(part[name] for part in parts if name in part), math.nan)
        stacked[name] = torch.stack([part.get(name, blank) for part in parts], dim=1)
    return stacked
