"""What several seeds have come to: mean, interval, and one learning curve with its band."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engram.analysis.run_figures import draw_seeds
from engram.analysis.statistics.bootstrap import FEWEST_SEEDS
from engram.api.comparison import compare_folder
from engram.common.errors import UsageError

_LABELS = {"training": "training episodes", "evaluation": "evaluations"}


def summary_of(directory: Path, with_curve: bool, trust_edited: bool = False) -> Iterator[str]:
    """Say what the runs of a common folder have come to, and draw their curve to `learning_curve.png`.

    Args:
        directory: the common folder.
        with_curve: whether to draw.
        trust_edited: take runs whose files were edited.

    Yields:
        Lines.
    """
    found: dict[str, dict[str, Any]] = {}
    for episodes in _LABELS:
        try:
            found[episodes] = compare_folder(directory, episodes, trust_edited)
        except UsageError:  # none has ended, or none was evaluated
            continue
    if not found:
        yield "no episode has ended, and none was evaluated: there is no return to sum up"
        return
    document = next(iter(found.values()))
    row = document["table"][0]
    name = "final_evaluation" if row["final_evaluation"] else "mmer"
    yield _interval(
        "last evaluation" if row["final_evaluation"] else "highest return", row[name], row["seeds"]
    )
    if with_curve:
        curves = {_LABELS[episodes]: curve for episodes, one in found.items() if (curve := _curve(one))}
        title = f"{row['task']}  ·  {row['group']}  ·  {row['seeds']} seeds, mean and 95 %"
        path = draw_seeds(
            directory / "learning_curve.png", title, curves, document["chance"].get(row["task"])
        )
        yield f"learning curve: {path}"


def _interval(what: str, estimate: dict[str, Any], seeds: int) -> str:
    if estimate["low"] is None:
        return f"{what}: {estimate['value']:.3f}, of one seed"
    few = f"; of fewer than {FEWEST_SEEDS} seeds an interval is too narrow" if seeds < FEWEST_SEEDS else ""
    low, high = estimate["low"], estimate["high"]
    return f"{what}: mean {estimate['value']:.3f}, 95 % interval {low:.3f} to {high:.3f} ({seeds} seeds{few})"


def _curve(document: dict[str, Any]) -> dict[str, Any] | None:
    """The curve of all seeds."""
    return next(
        (curve for curves in document["curves"]["env_steps"].values() for curve in curves.values()), None
    )
