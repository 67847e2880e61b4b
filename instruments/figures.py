"""Figures of instruments: maps of rows by rows, and curves over distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from engram.analysis.axes import finish, make_panels, open_axes
from engram.common.colours import GREY, colour

_DPI = 130
_AS_TEXT: dict[str, Any] = {"parse_math": False}


def draw_distances(path: Path, curves: Mapping[str, Sequence[Mapping[str, Any]]], label: str) -> Path:
    """Draw shares of past rows against how long ago they were.

    Args:
        path: the picture.
        curves: by name, rows of a table with `distance` and `share`.
        label: of the axis of shares.
    """
    figure, (axes,) = make_panels(1, 1, (6, 3.4), dpi=_DPI)
    open_axes(axes)
    for index, (name, table) in enumerate(curves.items()):
        distances, shares = ([row[key] for row in table] for key in ("distance", "share"))
        axes.plot(distances, shares, marker=".", markersize=4, color=colour(index), label=name)
    axes.set_xlabel("rows ago (0: the present row)")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, prop={"size": 8})
    return finish(figure, path)


def draw_map(path: Path, weights: Tensor, is_first: Tensor, title: str) -> Path:
    """Draw weights of past rows for every row, each row's as shares of its sum.

    Args:
        path: the picture.
        weights: not negative, [T, T], [t, s].
        is_first: whether a row begins an episode, [T]; beginnings are drawn as lines.
        title: above the picture.
    """
    total = weights.sum(1, keepdim=True)
    share = (weights / total.clamp(min=1e-30)).double().cpu().numpy()
    figure, (axes,) = make_panels(1, 1, (5.2, 4.4), dpi=_DPI)
    length = len(share)
    past = share[np.tril_indices(length)]
    most = float(np.quantile(past[past > 0], 0.99)) if (past > 0).any() else 1.0
    seen = np.ma.masked_where(np.triu(np.ones((length, length), bool), 1), share)
    image = axes.imshow(seen, cmap="viridis", vmin=0, vmax=most, aspect="auto", interpolation="nearest")
    for begin in is_first.nonzero().flatten().tolist():
        axes.axhline(begin - 0.5, color=GREY, linewidth=0.6)
        axes.axvline(begin - 0.5, color=GREY, linewidth=0.6)
    axes.set_xlabel("past row s")
    axes.set_ylabel("row t")
    axes.set_title(title, fontsize=10, loc="left", **_AS_TEXT)
    figure.colorbar(image, ax=axes, label="share of row t", fraction=0.046, pad=0.02)
    return finish(figure, path)
