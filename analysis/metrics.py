"""The metrics that a comparison needs, read line by line: eight bytes are kept of a number, however long a run."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engram.common.metric_names import RETURN, evaluation_key, training_key

TRAINING, EVALUATION = training_key(RETURN), evaluation_key(RETURN)
STEPS, SECONDS = "env_steps", "wall_clock"
TIMES = ("time/collect_seconds", "time/update_seconds")
KEPT = (TRAINING, EVALUATION, *TIMES)
# Beyond, a float no longer tells one step from the next.
_MOST_STEPS = 2**53
# Beyond, squares and sums of values are no numbers any more.
_LARGEST = 1e100
_INFINITY = float("inf")


@dataclass(frozen=True)
class Metrics:
    """Lines of metrics as columns.

    Attributes:
        steps: environment steps of each line, ascending [L].
        seconds: spent collecting and learning up to each line, over all resumptions, as a continued run keeps the
            lines before [L]; None where some line does not tell.
        columns: the values under each key that was asked for, NaN where a line has none [L].
        names: all keys that there are.
    """

    steps: np.ndarray
    seconds: np.ndarray | None
    columns: dict[str, np.ndarray]
    names: frozenset[str]


def read_columns(lines: Iterable[dict[str, Any]], keys: Iterable[str] = ()) -> Metrics:
    """Read the metrics that comparisons are made of.

    Args:
        lines: of `metrics.jsonl`, one after the other.
        keys: to be kept beside `KEPT`.

    Raises:
        ValueError: if one holds what is no number, or a number that cannot be, or goes back; names it.
    """
    steps, kept = array("d"), {key: array("d") for key in (*KEPT, *keys)}
    names: set[str] = set()
    last = 0.0
    for number, line in enumerate(lines, start=1):
        last = _checked_steps(line, number, last)
        steps.append(last)
        names |= line.keys()
        for key, values in kept.items():
            values.append(_checked_value(line.get(key), key, number))
    columns = {key: np.array(values, float) for key, values in kept.items()}
    spent = sum(columns[key] for key in TIMES)
    seconds = None if np.isnan(spent).any() else np.cumsum(spent)
    return Metrics(np.array(steps, float), seconds, columns, frozenset(names))


def _checked_steps(line: dict[str, Any], number: int, before: float) -> float:
    """The environment steps of a line.

    Raises:
        ValueError: if there are none, or fewer than before, or if anything in the line is no number.
    """
    steps: Any = line.get(STEPS)
    if not _is_number(steps) or not 0 <= steps <= _MOST_STEPS:
        raise ValueError(f"line {number} has no number of {STEPS} from 0 to 2**53")
    wrong = [key for key, value in line.items() if value is not None and not _is_number(value)]
    if wrong:
        raise ValueError(f"line {number} has no number under {wrong[0]}")
    if steps < before:
        raise ValueError(f"line {number} has fewer {STEPS} than the one before")
    return float(steps)


def _checked_value(value: Any, key: str, number: int) -> float:
    """A number that can be calculated with; NaN for none."""
    if value is None:
        return np.nan
    if not (0 if key in TIMES else -_LARGEST) <= value <= _LARGEST:
        raise ValueError(f"line {number} has a number under {key} that cannot be, {value!r:.40}")
    return float(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_INFINITY < value < _INFINITY
