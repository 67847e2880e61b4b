"""Figures for a paper, each as PNG and SVG: curves, aggregates, performance profiles, improvement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

from engram.analysis.axes import make_panels, write
from engram.analysis.curves import ALL_TASKS
from engram.analysis.style import LABELS, Look, look

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "engram",
    "text.parse_math": False,  # names may hold dollars
}
# The line of what random actions are worth.
_CHANCE: dict[str, Any] = {"color": "#444444", "linewidth": 1.0, "linestyle": ":", "zorder": 1}
_DPI = 200
_INCHES_OF_A_LETTER = 0.075
# Of more pairs a list is too long to be read.
_MOST_PAIRS = 45
# Of a picture's longer side, which Matplotlib limits to 2**16.
_MOST_PIXELS = 60_000


def draw_curves(document: dict[str, Any]) -> Figure:
    """Draw a panel for all tasks together, if there are several, and one for each task, with its line of chance."""
    x, settings = document["x"], document["settings"]
    panels = document["curves"][x]
    columns = min(len(panels), 3 if len(panels) <= 9 else 6)
    with plt.rc_context(_STYLE):
        figure, grid = make_panels(len(panels), columns, (3.1, 2.45), (0.3, 0.55))
        for axes, (task, curves) in zip(grid, panels.items(), strict=True):
            for index, group in enumerate(document["groups"]):
                if curves.get(group):
                    _draw_line(axes, curves[group], look(document, index))
            if task in document["chance"]:
                axes.axhline(document["chance"][task], **_CHANCE)
            axes.set_title(_task_title(task, document), loc="left")
            axes.yaxis.set_major_locator(MaxNLocator(5))
            if settings["x_scale"] == "log":
                axes.set_xscale("log")
                axes.xaxis.set_minor_formatter(NullFormatter())
            else:
                axes.xaxis.set_major_locator(MaxNLocator(5))
                axes.set_xlim(left=0)
            axes.xaxis.set_major_formatter(EngFormatter(sep="", unit="s" if x == "wall_clock" else ""))
        for place, axes in enumerate(grid):
            if place + columns >= len(panels):
                axes.set_xlabel(LABELS[x])
            if place % columns == 0:
                axes.set_ylabel(settings["label"])
        _add_legend(figure, document, has_chance=any(task in document["chance"] for task in panels))
    return figure


def draw_aggregates(document: dict[str, Any]) -> Figure:
    """Draw the aggregates of every group with their intervals, a panel each."""
    groups, aggregates = document["groups"], document["aggregates"]
    names = list(aggregates[groups[0]])
    with plt.rc_context(_STYLE):
        figure, grid = plt.subplots(
            1,
            len(names),
            figsize=(2.3 * len(names) + 0.8, 0.36 * len(groups) + 1.15),
            squeeze=False,
            sharey=True,
        )
        for axes, name in zip(grid[0], names, strict=True):
            for index, group in enumerate(groups):
                _draw_interval(axes, aggregates[group][name], index, look(document, index).colour)
            better = " (lower is better)" if name == "optimality_gap" else ""
            axes.set_title(f"{LABELS[name]}{better}", loc="left", fontsize=8.5)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.use_sticky_edges = False
            axes.margins(x=0.06)
            _name_rows(axes, groups)
        figure.tight_layout(rect=(0, 0.1, 1, 1), w_pad=1.6)
        figure.supxlabel(_score_label(document), fontsize=9, y=0.07)
    return figure


def draw_profiles(document: dict[str, Any]) -> Figure:
    """Draw the share of runs above every score."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(4.6, 3.2))
        for index, group in enumerate(document["groups"]):
            profile = document["profiles"]["groups"][group]
            curve = {"x": document["profiles"]["thresholds"], **profile}
            _draw_line(axes, curve, look(document, index), steps=True)
        axes.set_xlabel(f"τ, {_score_label(document)}")
        axes.set_ylabel("share of runs with a score above τ")
        axes.set_ylim(-0.02, 1.02)
        _add_legend(figure, document)
    return figure


def draw_improvement(document: dict[str, Any]) -> Figure:
    """Draw the probability that the first of two groups improves on the second: pairs as a list, many as a matrix."""
    pairs = document["improvement"]
    if len(pairs) > _MOST_PAIRS:
        return _draw_improvement_matrix(document)
    with plt.rc_context(_STYLE):
        names = [f"{pair['group']}  over  {pair['other']}" for pair in pairs]
        width = max(4.6, 2.4 + _INCHES_OF_A_LETTER * max(map(len, names)))
        figure, axes = plt.subplots(figsize=(width, 0.33 * len(pairs) + 1.1))
        for index, pair in enumerate(pairs):
            _draw_interval(axes, pair, index, "#333333")
        axes.axvline(0.5, color="#888888", linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel(f"P(X > Y) of the {LABELS[document['settings']['score']]}")
        _name_rows(axes, names)
        figure.tight_layout()
    return figure


def _draw_improvement_matrix(document: dict[str, Any]) -> Figure:
    """Draw the probabilities of all pairs as colours, without intervals: that a row's group improves on a column's."""
    groups = document["groups"]
    place = {group: index for index, group in enumerate(groups)}
    values = np.full((len(groups), len(groups)), np.nan)
    for pair in document["improvement"]:
        row, column = place[pair["group"]], place[pair["other"]]
        values[row, column], values[column, row] = pair["value"], 1 - pair["value"]
    side = 0.2 * len(groups) + 1.5
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(side + 0.8, side))
        image = axes.imshow(values, cmap="RdBu", vmin=0, vmax=1)
        axes.set_xticks(range(len(groups)), groups, rotation=90)
        axes.set_yticks(range(len(groups)), groups)
        axes.grid(visible=False)
        label = f"P(row > column) of the {LABELS[document['settings']['score']]}"
        figure.colorbar(image, ax=axes, label=label, fraction=0.046, pad=0.02)
        figure.tight_layout()
    return figure


def save(figure: Figure, path: Path) -> list[Path]:
    """Save a figure as PNG and as SVG, without a date, so that the same data give the same files."""
    paths = [path.with_suffix(suffix) for suffix in (".png", ".svg")]
    dpi = min(_DPI, _MOST_PIXELS / max(figure.get_size_inches()))
    with plt.rc_context({"text.parse_math": False}):  # ticks are made as they are drawn
        for one in paths:
            metadata: dict[str, Any] = {"Date": None} if one.suffix == ".svg" else {}
            write(figure, one, dpi=dpi, bbox_inches="tight", metadata=metadata)
    plt.close(figure)
    return paths


def _draw_line(axes: Axes, curve: dict[str, Any], look: Look, steps: bool = False) -> None:
    style = {"drawstyle": "steps-post"} if steps else {}
    x, value = np.array(curve["x"]), np.array(curve["value"], float)
    if curve["low"] is not None:
        axes.fill_between(
            x,
            np.array(curve["low"], float),  # NaN where a single run leaves no interval
            np.array(curve["high"], float),
            color=look.colour,
            alpha=0.17,
            linewidth=0,
            step="post" if steps else None,
        )
    (line,) = axes.plot(x, value, color=look.colour, linewidth=1.5, **style)  # type: ignore[arg-type]
    line.set_dashes(look.dashes)
    alone = _alone(value)
    if alone.any() and curve["low"] is not None:
        low, high = (np.array(curve[key], float)[alone] for key in ("low", "high"))
        axes.vlines(x[alone], low, high, color=look.colour, alpha=0.5, linewidth=1.5)
    marked = alone | _where_runs_end(curve)
    axes.plot(x[marked], value[marked], ".", color=look.colour, markersize=7)


def _alone(values: np.ndarray) -> np.ndarray:
    """Where a value has no neighbour to draw a line to [P]."""
    known = np.pad(np.isfinite(values), 1)
    return known[1:-1] & ~known[:-2] & ~known[2:]


def _where_runs_end(curve: dict[str, Any]) -> np.ndarray:
    """The last places of runs that are shorter than others of their group [P]; profiles have none."""
    runs = np.array(curve.get("runs", [0] * len(curve["x"])))
    return np.append(np.diff(runs) < 0, False)


def _draw_interval(axes: Axes, found: dict[str, Any], row: int, shade: str) -> None:
    if found["low"] is not None:
        width = found["high"] - found["low"]
        axes.barh(row, width, left=found["low"], height=0.5, color=shade, alpha=0.3, linewidth=0)
    axes.plot([found["value"]] * 2, [row - 0.25, row + 0.25], color=shade, linewidth=2)


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)


def _task_title(task: str, document: dict[str, Any]) -> str:
    if task != ALL_TASKS:
        return task
    return f"{len(document['aggregated_tasks'])} tasks, {LABELS[document['settings']['aggregate']]}"


def _score_label(document: dict[str, Any]) -> str:
    score = LABELS[document["settings"]["score"]]
    return f"{score}, scaled to bounds" if document["settings"]["bounds"] else score


def _add_legend(figure: Figure, document: dict[str, Any], has_chance: bool = False) -> None:
    """One legend for all panels, below them."""
    handles = []
    for index, group in enumerate(document["groups"]):
        line = Line2D([], [], color=look(document, index).colour, linewidth=1.5, label=group)
        line.set_dashes(look(document, index).dashes)
        handles.append(line)
    if has_chance:
        handles.append(Line2D([], [], label="chance", **_CHANCE))
    rows = -(-len(handles) // max(2, int(figure.get_figwidth() // 1.4)))
    columns = -(-len(handles) // rows)
    # Of many groups it is taller than the panels, which keep their size.
    height, legend_height = figure.get_figheight(), 0.2 * rows
    figure.set_figheight(height + max(0.0, legend_height - 0.3 * height))
    figure.tight_layout(rect=(0, legend_height / figure.get_figheight(), 1, 1))
    figure.legend(handles=handles, loc="lower center", ncols=columns, handlelength=2.6)
