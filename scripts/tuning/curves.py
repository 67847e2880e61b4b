"""How good a run is so far: a score of its evaluations, read while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engram.analysis.statistics import Series, area
from engram.run_files.metric_lines import parse_line
from engram.run_files.names import METRICS_FILE

SCORES = ("area", "best", "last")
Curve = list[tuple[int, float]]


def read_curve(run_dir: Path, key: str) -> Curve:
    """Read the evaluations of a run, also of one that is running: a line that is being written is left out.

    Args:
        run_dir: its folder; need not exist.
        key: of the metric.

    Returns:
        Environment steps and value of each.
    """
    try:
        lines = (run_dir / METRICS_FILE).read_bytes().splitlines()
    except OSError:
        return []
    rows = (parse_line(line)[0] for line in lines if f'"{key}"'.encode() in line)
    return [
        (int(row["env_steps"]), float(row[key]))
        for row in rows
        if row is not None and row.get(key) is not None
    ]


def score_curve(
    curve: Sequence[tuple[int, float]], score: str, direction: str, end: int | None = None
) -> float:
    """Score a run.

    Args:
        curve: its evaluations, at least one.
        score: `area`, the mean height of the curve; `best`, its best value; `last`, its last one.
        direction: `maximize` or `minimize`: which value is the best.
        end: environment steps at which it ends, where it stopped earlier because its task was solved: it keeps its
            last value until then.
    """
    steps, values = np.array([one for one, _ in curve], float), np.array([one for _, one in curve], float)
    if score == "last":
        return float(values[-1])
    if score == "best":
        return float(values.max() if direction == "maximize" else values.min())
    return area(Series(steps, values, solved=True), steps[0], max(steps[-1], end or 0))
