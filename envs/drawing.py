"""Pictures of boards for people: tiles and marks with smooth edges, in numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

BACKGROUND: Color = (24, 28, 38)
WHITE: Color = (250, 250, 247)
INK: Color = (34, 38, 50)
RED: Color = (214, 62, 62)
GREEN: Color = (72, 168, 104)
YELLOW: Color = (250, 204, 60)
BLUE: Color = (52, 116, 206)

# Rows of five pixels, the highest bit on the left.
_GLYPHS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    "A": (14, 17, 17, 31, 17, 17, 17),
    "J": (7, 2, 2, 2, 2, 18, 12),
    "K": (17, 18, 20, 24, 20, 18, 17),
    "Q": (14, 17, 17, 17, 21, 18, 13),
}
BOARD_SIZE = 400
"""Pixels that a square board should take about."""
_ARROWS = {"right": (0, 1), "down": (1, 0), "left": (0, -1), "up": (-1, 0)}
SHAPES = ("disc", "dot", "ring", "frame", "cross", "diamond", *_ARROWS)
"""Marks that are no text."""


class Mark(NamedTuple):
    """Something drawn on a tile.

    Attributes:
        row: of the tile.
        column: of the tile.
        what: one of `SHAPES`, or a text of digits and the letters A, J, Q and K.
        color: red, green and blue in 0..255.
    """

    row: int
    column: int
    what: str
    color: Color


def draw_grid(
    cells: ArrayLike | Tensor,
    palette: Sequence[Color],
    cell_size: int | tuple[int, int] = 40,
    marks: Sequence[Mark] = (),
    gap: int = 4,
) -> Image:
    """Draw a board of tiles.

    Args:
        cells: integers [H, W]: the colour of every tile, an index of `palette`.
        palette: the colours.
        cell_size: pixels of a tile with its gap, or its height and width.
        marks: drawn on the tiles in their order.
        gap: pixels between tiles, which have round corners; 0 for tiles that touch.

    Returns:
        uint8 [H * height + gap, W * width + gap, 3].
    """
    index = np.asarray(cells)
    height, width = (cell_size, cell_size) if isinstance(cell_size, int) else cell_size
    colors = np.asarray(palette, dtype=np.float32)[index]
    picture = colors.repeat(height, axis=0).repeat(width, axis=1)
    if gap:
        ground = np.asarray(BACKGROUND, dtype=np.float32)
        tile = np.zeros((height, width, 1), dtype=np.float32)
        tile[gap:, gap:] = _rounded_box(height - gap, width - gap)
        tiles = np.tile(tile, (*index.shape, 1))
        picture = ground + (picture - ground) * tiles
        picture = np.pad(picture, ((0, gap), (0, gap), (0, 0)))
        picture[-gap:], picture[:, -gap:] = ground, ground
    for mark in marks:
        top, left = mark.row * height + gap, mark.column * width + gap
        part = picture[top : top + height - gap, left : left + width - gap]
        part += (np.asarray(mark.color, dtype=np.float32) - part) * _coverage(mark.what, *part.shape[:2])
    return np.rint(picture).astype(np.uint8)


def _coverage(what: str, height: int, width: int) -> NDArray[np.floating]:
    """How much of every pixel of a tile a mark covers, [height, width, 1]."""
    if what not in SHAPES:
        return _text(what, height, width)
    if what == "frame":
        inner = np.zeros((height, width, 1), dtype=np.float32)
        inner[3:-3, 3:-3] = _rounded_box(height - 6, width - 6)
        return np.asarray(_rounded_box(height, width) - inner)
    y, x = _coordinates(height, width)
    size = min(height, width)
    radius = np.hypot(y, x)
    if what == "cross":
        along, across = np.abs(y + x) * 0.7071, np.abs(y - x) * 0.7071
        outside = np.maximum(np.maximum(along, across) - 0.34 * size, np.minimum(along, across) - 0.06 * size)
    elif what == "ring":
        outside = np.abs(radius - 0.32 * size) - 0.06 * size
    elif what in _ARROWS:  # a triangle that points there
        down, right = _ARROWS[what]
        along, across = y * down + x * right, np.abs(y * right + x * down)
        outside = np.maximum(-along - 0.26 * size, (along + 2 * across) * 0.4472 - 0.15 * size)
    elif what == "diamond":
        outside = np.abs(y) * 0.62 + np.abs(x) * 0.78 - 0.24 * size
    else:
        outside = radius - (0.3 if what == "disc" else 0.13) * size
    return _smooth(outside)


def _text(text: str, height: int, width: int) -> NDArray[np.floating]:
    """Letters in the middle of a tile, as large as fits."""
    if not text or set(text) - set(_GLYPHS):
        raise ValueError(
            f"A mark must be one of {', '.join(SHAPES)}, or a text of {''.join(_GLYPHS)}, but it is {text!r}: "
            "choose one of these."
        )
    letters = [[[row >> bit & 1 for bit in (4, 3, 2, 1, 0)] for row in _GLYPHS[letter]] for letter in text]
    pixels = np.concatenate([np.pad(np.asarray(letter), ((0, 0), (0, 1))) for letter in letters], axis=1)[
        :, :-1
    ]
    scale = max(1, min(int(0.62 * height) // 7, int(0.9 * width) // pixels.shape[1]))
    pixels = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    covered = np.zeros((height, width, 1), dtype=np.float32)
    top, left = (height - pixels.shape[0]) // 2, (width - pixels.shape[1]) // 2
    covered[top : top + pixels.shape[0], left : left + pixels.shape[1], 0] = pixels
    return covered


def _rounded_box(height: int, width: int) -> NDArray[np.floating]:
    """A tile with round corners."""
    y, x = _coordinates(height, width)
    radius = 0.16 * min(height, width)
    below, beside = np.abs(y) - height / 2 + radius, np.abs(x) - width / 2 + radius
    return _smooth(np.hypot(np.maximum(below, 0), np.maximum(beside, 0)) - radius)


def _coordinates(height: int, width: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The middles of pixels, from the middle of a tile."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return y - (height - 1) / 2, x - (width - 1) / 2


def _smooth(outside: NDArray[np.floating]) -> NDArray[np.floating]:
    """Coverage by the distance to an outline, positive outside: a ramp one pixel wide."""
    return np.clip(0.5 - outside, 0.0, 1.0).astype(np.float32)[..., None]
