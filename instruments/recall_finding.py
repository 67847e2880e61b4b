"""How far back what an agent does depends on its past, as sentences, tables and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from engram.instruments.finding import Draw, Finding
from engram.instruments.recall.curve import RecallPoint, half_distance_of, reach_of


def find_recall(
    kept: Sequence[RecallPoint],
    measure: str,
    argument: str | None = None,
    trained: float | None = None,
    delays: Sequence[RecallPoint] = (),
) -> Finding:
    """Say what a memory that is wiped costs, and how far beyond its training an agent recalls.

    Args:
        kept: by rows that the agent keeps, rising, the last one without an end.
        measure: `success_rate` or `episodic_return`.
        argument: of the environment, which was varied.
        trained: its value in training, if that is known.
        delays: by values of the argument, rising.
    """
    name = measure.replace("_", " ")
    sentences, figures = [], {}
    values: dict[str, Any] = {"measure": measure, "kept": [point._asdict() for point in kept]}
    if kept:
        sentences += _of_kept(kept, name)
        figures["recall_kept.png"] = _drawing(kept, name, "rows kept, the present one included", None)
    if delays:
        reach, half = reach_of(delays), half_distance_of(delays)
        beyond = "" if trained is None else f" (trained at {trained:g})"
        sentences.append(
            f"Above chance up to {argument} = {reach:g}{beyond}."
            if reach is not None
            else f"Not above chance at any {argument}."
        )
        if half is not None:
            sentences.append(f"Half of what is above chance at best is lost at {argument} = {half:.3g}.")
        figures["recall.png"] = _drawing(delays, name, str(argument), trained)
        values |= {
            "argument": argument,
            "trained": trained,
            "reach": reach,
            "half_distance": half,
            "delays": [point._asdict() for point in delays],
        }
    table = [
        {
            "argument": argument,
            "value": point.distance,
            **_row(point),
            "beyond_training": _is_beyond(point, trained),
        }
        for point in delays
    ]
    tables = {"recall_kept": [{"rows_kept": point.distance, **_row(point)} for point in kept]}
    return Finding("recall", "Behavioural recall", sentences, table, values, figures, tables)


def _of_kept(kept: Sequence[RecallPoint], name: str) -> list[str]:
    whole = kept[-1]
    said = [
        f"{name} with the whole memory {whole.mean:.3f}; with a memory that is wiped, so that an action is chosen "
        "by the "
        + ", ".join(f"last {point.distance:g} rows {point.mean:.3f}" for point in kept[:-1])
        + f"; uniformly random actions {whole.chance:.3f}."
    ]
    gained = [(after.mean - before.mean, before.distance, after.distance) for before, after in pairwise(kept)]
    if gained:
        most, before, after = max(gained, key=lambda found: found[0])
        to = "all of them" if after is None else f"{after:g}"
        said.append(f"Most is gained, {most:.3f}, from {before:g} rows to {to}.")
    return said


def _row(point: RecallPoint) -> dict[str, Any]:
    return {
        "mean": point.mean,
        "low": point.low,
        "high": point.high,
        "chance": point.chance,
        "episodes": point.episodes,
    }


def _is_beyond(point: RecallPoint, trained: float | None) -> bool:
    return trained is not None and point.distance is not None and point.distance > trained


def _drawing(points: Sequence[RecallPoint], name: str, label: str, trained: float | None) -> Draw:
    def draw(path: Path) -> Path:
        from engram.instruments.recall_figure import draw_recall  # Matplotlib takes a second to import.

        return draw_recall(path, points, name, label, trained)

    return partial(draw)
