"""The picture of the times of cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from engram.analysis.axes import finish, make_panels, open_axes, say
from engram.common.colours import colour


def draw_core_times(path: Path, title: str, panels: dict[str, list[dict[str, Any]]]) -> Path:
    """Draw times against sequence lengths, one panel per core, both axes logarithmic.

    Args:
        path: the picture.
        title: above all panels.
        panels: for each core its lines, itself first: `of` (lines alike have
            one colour), `label`, `points` of (T, seconds), and `dashed`.

    Returns:
        `path`.
    """
    figure, grid = make_panels(len(panels), 3, (4.6, 4), dpi=110, sharex=True, sharey=True)
    for axes, (name, lines) in zip(grid, panels.items(), strict=True):
        if not lines:
            say(axes, "nothing was measured within the budget")
        names = list(dict.fromkeys(line["of"] for line in lines))
        for line in lines:
            place = names.index(line["of"])
            style, width = "--" if line["dashed"] else "-", 1.2 if place else 2.0
            x, y = zip(*line["points"], strict=True)
            axes.plot(
                x,
                y,
                style,
                color=colour(place),
                marker="o",
                markersize=3,
                linewidth=width,
                label=line["label"],
            )
        _finish_panel(axes, name)
    inch = 1 / figure.get_figheight()
    words = f"{title}\nsolid lines are without resets, dashed ones with them"
    figure.suptitle(words, fontsize=10, y=1 - 0.1 * inch)
    return finish(figure, path)


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
        axes.legend(frameon=False, fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))
