"""Pictures of open-loop predictions: films of images, curves of rewards and of whether the episode goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engram.agents.networks.image_layout import ImageLayout, find_layout
from engram.common.colours import BLUE, GREY, ORANGE

_DPI = 80
_PANEL_INCHES = (5.0, 1.9)


def open_loop_pictures(found: dict[str, Any]) -> dict[str, Tensor]:
    """Draw everything.

    Args:
        found: from `predict_open_loop`.

    Returns:
        `open_loop/curves`, a picture, and a film for every image in the observations; on the CPU.
    """
    films = {name: film.cpu() for name, film in open_loop_films(found).items()}
    return {"open_loop/curves": open_loop_curves(found), **films}


def open_loop_films(found: dict[str, Any]) -> dict[str, Tensor]:
    """Draw the windows' truth, prediction and difference below each other.

    Args:
        found: from `predict_open_loop`; `layouts` may be left out where they cannot be mistaken.

    Returns:
        By the name of each image, uint8 `[B, T, 3, 3 height, width]`. Grey images and their channels are repeated.
        Where another episode has begun, prediction and difference are black.
    """
    films = {}
    for name in found["images"]:
        layout = found["layouts"][name] if "layouts" in found else find_layout(found["obs"][name].shape[2:])
        truth, prediction = (_as_rgb(found[key][name], layout) for key in ("true_obs", "obs"))
        error = (prediction - truth + 1) / 2
        counts = found["is_valid"][:, :, None, None, None]
        below = torch.cat([prediction, error], dim=-2) * counts
        tall = torch.cat([truth, below], dim=-2).clamp(0, 1)
        films[f"open_loop/{name}"] = (tall * 255).round().to(torch.uint8)
    return films


def open_loop_curves(found: dict[str, Any]) -> Tensor:
    """Draw what was imagined against what came: rewards, and the target of the continue head.

    Args:
        found: from `predict_open_loop`, with `context`; every window gets a row of panels.

    Returns:
        A picture, uint8 `[3, height, width]`. A vertical line stands after the rows that were shown; nothing is
        drawn where another episode has begun.
    """
    # Matplotlib takes a second to import. A figure of its own needs no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    is_valid = found["is_valid"].cpu().numpy()
    num_windows, length = is_valid.shape
    size = (2 * _PANEL_INCHES[0], num_windows * _PANEL_INCHES[1])
    figure = Figure(figsize=size, dpi=_DPI, layout="tight")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(num_windows, 2, squeeze=False, sharex=True)
    for window, panels in enumerate(grid):
        for axes, key in zip(panels, ("reward", "continues"), strict=True):
            for name, colour in ((f"true_{key}", BLUE), (key, ORANGE)):
                values = found[name][window].float().cpu().numpy()
                label = "came" if name.startswith("true") else "imagined"
                shown = np.where(is_valid[window], values, np.nan)
                axes.plot(range(length), shown, ".-", color=colour, linewidth=1, markersize=4, label=label)
            axes.axvline(found["context"] - 0.5, color=GREY, linestyle="--", linewidth=1)
            axes.set_ylabel(key.replace("_", " "))
            axes.grid(alpha=0.3)
    grid[0, 0].legend(frameon=False, fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("row")
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(pixels.copy()).movedim(-1, 0)


def _as_rgb(images: Tensor, layout: ImageLayout) -> Tensor:
    """Bring `[B, T, *shape]` to `[B, T, 3, height, width]`: of a stack, the newest frame."""
    channels = layout.to_channels(images)
    count = channels.shape[2]
    if "s" in layout.axes:
        channels = channels[:, :, -(count // layout.num_frames) :]
    elif layout.axes == "chw" and count != 3:  # frames of colours, or of grey
        channels = channels[:, :, -(3 if count % 3 == 0 else 1) :]
    if channels.shape[2] < 3:
        return channels[:, :, :1].expand(-1, -1, 3, -1, -1)
    return channels[:, :, :3]
