"""What all figures share: panels, a sentence where there is nothing to draw, and files that are whole or not there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from engram.common.colours import GREY
from engram.run_files.plain_files import replace_file


def make_panels(
    count: int,
    most_columns: int,
    panel: tuple[float, float],
    margin: tuple[float, float] = (0.0, 0.0),
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """Make panels side by side and below each other.

    Args:
        count: of the panels.
        most_columns: in a row.
        panel: width and height of each in inches.
        margin: what is added to the width and height of all.
        **options: for `plt.subplots`.

    Returns:
        The figure and its panels, row by row.
    """
    columns = min(count, most_columns)
    rows = -(-count // columns)
    size = (panel[0] * columns + margin[0], panel[1] * rows + margin[1])
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


def open_axes(axes: Axes) -> Axes:
    """Draw a pale grid and leave out the frame above and to the right."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def say(axes: Axes, sentence: str) -> None:
    """Write a sentence where there is nothing to draw."""
    axes.text(0.5, 0.5, sentence, transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.yaxis.set_major_locator(NullLocator())


def write(figure: Figure, path: Path, **options: Any) -> Path:
    """Write a figure in the format of the name's ending; on a full disk the picture of before stays whole.

    Args:
        figure: left open.
        path: the picture.
        **options: for `Figure.savefig`.
    """
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:], **options)
    replace_file(path, content.getvalue())
    return path


def finish(figure: Figure, path: Path) -> Path:
    """Fit a figure's parts into it, write it to `path` and close it."""
    figure.tight_layout()
    write(figure, path)
    plt.close(figure)
    return path
