"""The figures of exams: what each core reaches, and how long what it imagines stays right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engram.analysis.axes import finish, make_panels, open_axes
from engram.analysis.style import dashes
from engram.common.colours import BLUE, GREY, ORANGE, colour
from engram.instruments.exam.table import Line
from engram.instruments.exam.task import ABILITIES

_CONTROL = "mlp"


def draw_scores(path: Path, lines: Sequence[Line]) -> Path:
    """Draw a panel for every ability of one task: a dot and its error for each core, chance and `mlp` as lines."""
    abilities = [name for name in ABILITIES if name in lines[0].cells]
    figure, panels = make_panels(
        len(abilities), 4, (2.3, 0.21 * len(lines) + 0.9), (1.2, 0.0), dpi=130, sharey=True
    )
    places = list(range(len(lines)))
    for axes, name in zip(panels, abilities, strict=True):
        open_axes(axes)
        cells = [line.cells[name] for line in lines]
        errors = [cell.standard_error for cell in cells]
        axes.errorbar(
            [c.value for c in cells], places, xerr=errors, color=BLUE, fmt="o", markersize=4, capsize=2
        )
        axes.axvline(cells[0].chance, color=GREY, linestyle="--", linewidth=1)
        control = [cell for line, cell in zip(lines, cells, strict=True) if line.group == _CONTROL]
        if control:
            axes.axvline(control[0].value, color=ORANGE, linewidth=1)
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_xlim(-0.03, 1.03)
        axes.set_yticks(places, [line.group for line in lines], fontsize=8)
        axes.set_ylim(len(lines) - 0.4, -0.6)
    return finish(figure, path)


def draw_curves(path: Path, lines: Sequence[Line]) -> Path:
    """Draw the share of imagined rows that are right, by rows since the last one that was shown."""
    figure, (axes,) = make_panels(1, 1, (6.4, 3.6), dpi=130)
    open_axes(axes)
    for index, line in enumerate(lines):
        (drawn,) = axes.plot(range(1, len(line.curve) + 1), line.curve, color=colour(index), linewidth=1.3)
        drawn.set_dashes(dashes(index))
        drawn.set_label(line.group)
    axes.set_xlabel("rows since the last one that was shown")
    axes.set_ylabel("share of rows that are right")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(
        frameon=False, fontsize=7, ncols=1 + len(lines) // 14, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )
    return finish(figure, path)
