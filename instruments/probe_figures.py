"""Figures of probes: scores of everything hidden, and scores by how long ago it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engram.analysis.axes import finish, make_panels, open_axes
from engram.common.colours import GREY, colour

_DPI = 130
_AS_TEXT: dict[str, Any] = {"parse_math": False}


def draw_scores(path: Path, table: Sequence[dict[str, Any]]) -> Path:
    """Draw the scores of a table of probes, a panel for choices and one for real numbers."""
    kinds = list(dict.fromkeys(row["measure"] for row in table))
    names = list(dict.fromkeys(row["hidden"] for row in table))
    figure, panels = make_panels(len(kinds), 1, (max(5.0, 0.9 * len(names) + 2), 3.4), dpi=_DPI)
    for axes, kind in zip(panels, kinds, strict=True):
        open_axes(axes)
        own = [row for row in table if row["measure"] == kind]
        here = [name for name in names if any(row["hidden"] == name for row in own)]
        for index, source in enumerate(dict.fromkeys(row["read_from"] for row in own)):
            rows = {row["hidden"]: row for row in own if row["read_from"] == source}
            places = [place + 0.08 * index for place in range(len(here))]
            axes.errorbar(
                places,
                [rows[name]["score"] for name in here],
                yerr=[rows[name]["standard_error"] for name in here],
                fmt="o",
                markersize=5,
                capsize=2,
                color=colour(index),
                label=source,
            )
            controls = [rows[name]["control"] for name in here]
            axes.plot(places, controls, "x", color=colour(index), markersize=5, alpha=0.6)
        without = {row["hidden"]: row["baseline"] for row in own}
        for place, name in enumerate(here):
            axes.hlines(without[name], place - 0.2, place + 0.5, color=GREY, linewidth=1)
        axes.set_xticks(range(len(here)), here, rotation=20, ha="right", fontsize=8, **_AS_TEXT)
        axes.set_ylabel(kind.replace("_", " "))
        axes.set_ylim(bottom=0)
        legend: dict[str, Any] = {
            "title": "read from (x: control, line: without looking)",
            "title_fontsize": 8,
        }
        axes.legend(frameon=False, fontsize=8, **legend)
    return finish(figure, path)


def draw_ages(path: Path, ages: Sequence[dict[str, Any]]) -> Path:
    """Draw scores against how long ago something was shown, a panel for each thing."""
    names = list(dict.fromkeys(row["hidden"] for row in ages))
    figure, panels = make_panels(len(names), 4, (3.0, 2.5), dpi=_DPI)
    for axes, name in zip(panels, names, strict=True):
        open_axes(axes)
        own = [row for row in ages if row["hidden"] == name]
        ends = sorted({row["rows_ago_to"] for row in own})
        for index, source in enumerate(dict.fromkeys(row["read_from"] for row in own)):
            rows = [row for row in own if row["read_from"] == source]
            places = [ends.index(row["rows_ago_to"]) for row in rows]
            axes.plot(
                places, [row["score"] for row in rows], "o-", markersize=4, color=colour(index), label=source
            )
        labels = {row["rows_ago_to"]: _bin(row) for row in own}
        axes.set_xticks(range(len(ends)), [labels[end] for end in ends], rotation=20, ha="right", fontsize=7)
        axes.set_title(name, fontsize=8.5, loc="left", **_AS_TEXT)
        axes.set_ylim(bottom=0)
    panels[0].legend(frameon=False, fontsize=7)
    figure.supxlabel("rows since it was shown", fontsize=9)
    return finish(figure, path)


def _bin(row: dict[str, Any]) -> str:
    first, last = row["rows_ago_from"], row["rows_ago_to"]
    return str(last) if first == last else f"{first} to {last}"
