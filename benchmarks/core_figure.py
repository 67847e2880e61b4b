"""The picture of the times of cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from engram.analysis.axes import finish, make_panels, open_axes, say
from engram.common.colours import COLOURS, GREY, colour

MARKERS = "os^v"
LINE: dict[str, Any] = {"markersize": 4, "linewidth": 1.2}


def draw_core_times(
    path: Path, title: str, panels: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], dashed: Set[str]
) -> Path:
    """Draw times against sequence lengths, one panel per family of cores, both axes logarithmic.

    Args:
        path: the picture.
        title: above all panels.
        panels: for each family its lines by name, points (T, seconds).
        dashed: the names that are no cores, but what these are compared with.

    Returns:
        `path`.
    """
    figure, grid = make_panels(len(panels), 3, (5.4, 5.6), dpi=110, sharex=True, sharey=True)
    for axes, (family, lines) in zip(grid, panels.items(), strict=True):
        if not lines:
            say(axes, "nothing was measured within the budget")
        for place, name in enumerate(name for name in lines if name not in dashed):
            marker = MARKERS[place // len(COLOURS) % len(MARKERS)]
            axes.plot(*_points(lines[name]), "-", color=colour(place), marker=marker, label=name, **LINE)
        for place, name in enumerate(name for name in lines if name in dashed):
            marker = MARKERS[place % len(MARKERS)]
            axes.plot(*_points(lines[name]), "--", color=GREY, marker=marker, label=name, **LINE)
        _finish_panel(axes, family)
    inch = 1 / figure.get_figheight()
    words = f"{title}\ndashed lines are no cores, but what these are compared with"
    figure.suptitle(words, fontsize=10, y=1 - 0.1 * inch)
    return finish(figure, path)


def _points(line: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [length for length, _ in line], [seconds for _, seconds in line]


def _finish_panel(axes: Axes, name: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1024:g}k" if x >= 1024 else f"{x:g}")
    axes.yaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.tick_params(labelbottom=True, labelleft=True)
    axes.set_title(name, fontsize=10)
    axes.set_xlabel("rows, T")
    open_axes(axes)
    if axes.lines:
        axes.legend(frameon=False, fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))
