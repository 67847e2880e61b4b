"""A search as a picture: the best score so far, and the scores over each option that was searched."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from engram.analysis.axes import make_panels
from engram.analysis.style import LABELS
from engram.common.colours import GREY, colour

_LOG = ":log"


def draw_search(search: dict[str, Any]) -> Figure:
    """Draw a search.

    Args:
        search: `score`, `direction`, `space` and `configurations`, as in `search.json`.
    """
    finished = [one for one in search["configurations"] if one["score"] is not None]
    others = [one for one in search["configurations"] if one["state"] in ("pruned", "failed")]
    best = (max if search["direction"] == "maximize" else min)(finished, key=lambda one: one["score"])
    figure, grid = make_panels(1 + len(search["space"]), 4, (2.6, 2.45), (0.3, 0.3), sharey=True)
    _draw_history(grid[0], search, finished)
    for axes, (option, spelling) in zip(grid[1:], search["space"].items(), strict=True):
        place = _scale(axes, spelling, [one["options"][option] for one in search["configurations"]])
        scores = [one["score"] for one in finished]
        axes.plot(
            [place(one["options"][option]) for one in finished], scores, "o", color=colour(0), markersize=5
        )
        axes.plot(place(best["options"][option]), best["score"], "*", color=colour(1), markersize=13)
        if others:
            places = [place(one["options"][option]) for one in others]
            bottom = axes.get_xaxis_transform()
            axes.plot(places, [0.03] * len(places), "x", color=GREY, markersize=5, transform=bottom)
        axes.set_xlabel(option)
    for axes in grid:
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel(
        f"{LABELS.get(search['score'], search['score'])}\n{search['metric'].replace('_', ' ')}"
    )
    figure.tight_layout()
    return figure


def _draw_history(axes: Axes, search: dict[str, Any], finished: list[dict[str, Any]]) -> None:
    numbers = [one["number"] + 1 for one in finished]
    scores = [one["score"] for one in finished]
    so_far = (np.maximum if search["direction"] == "maximize" else np.minimum).accumulate(scores)
    axes.plot(numbers, scores, "o", color=colour(0), markersize=5)
    axes.step(numbers, so_far, where="post", color=colour(1), linewidth=1.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("configuration, and the best so far")


def _scale(axes: Axes, spelling: str, values: list[str]) -> Any:
    """Prepare an option's axis; returns what turns its words into places."""
    if ".." in spelling:
        low, high = map(float, spelling.removesuffix(_LOG).split(".."))
        if spelling.endswith(_LOG):
            axes.set_xscale("log")
            ticks = _log_ticks(low, high)
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.xaxis.set_minor_locator(NullLocator())
        return float
    choices = list(dict.fromkeys([*spelling.split(","), *values]))
    axes.set_xticks(range(len(choices)), choices, rotation=0 if len("".join(choices)) < 24 else 30)
    axes.set_xlim(-0.5, len(choices) - 0.5)
    return choices.index


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers of a range: 1, 2 and 5 of every power of ten, or its powers of ten where it has many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high / low < 50 else (1,)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    inside = [tick for tick in ticks if low <= tick * (1 + 1e-9) and tick <= high * (1 + 1e-9)]
    return inside if len(inside) > 1 else [low, high]
