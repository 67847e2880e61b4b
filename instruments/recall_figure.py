"""The figure of recall: success or return against a distance, with intervals and chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engram.analysis.axes import finish, make_panels, open_axes
from engram.common.colours import BLUE, GREY, ORANGE
from engram.instruments.recall.curve import RecallPoint

_AS_TEXT: dict[str, Any] = {"parse_math": False}


def draw_recall(
    path: Path, points: Sequence[RecallPoint], measure: str, label: str, trained: float | None
) -> Path:
    """Draw points at equal distances, the one without an end last.

    Args:
        path: the picture.
        points: rising.
        measure: of the axis upwards.
        label: of the axis of distances.
        trained: the distance in training, marked where a point has it.
    """
    figure, (axes,) = make_panels(1, 1, (5.6, 3.4), dpi=130)
    open_axes(axes)
    places = list(range(len(points)))
    means = [point.mean for point in points]
    below = [point.mean - (point.mean if point.low is None else point.low) for point in points]
    above = [(point.mean if point.high is None else point.high) - point.mean for point in points]
    errors = [[max(0.0, one) for one in side] for side in (below, above)]
    axes.errorbar(places, means, yerr=errors, color=BLUE, marker="o", markersize=4, capsize=2, label="agent")
    chance = [point.chance for point in points]
    axes.plot(places, chance, color=GREY, linestyle="--", linewidth=1, label="random actions")
    at_training = [place for place, point in zip(places, points, strict=True) if point.distance == trained]
    if trained is not None and at_training:
        axes.axvline(at_training[0], color=ORANGE, linewidth=1, label="in training")
    names = ["all" if point.distance is None else f"{point.distance:g}" for point in points]
    axes.set_xticks(places, names)
    axes.set_xlabel(label, **_AS_TEXT)
    axes.set_ylabel(f"{measure}, 95 %", **_AS_TEXT)
    axes.legend(frameon=False, fontsize=8)
    return finish(figure, path)
