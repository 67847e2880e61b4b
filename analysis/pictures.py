"""What an environment renders, as pictures of one kind: uint8 [height, width, 3]."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

_CHANNELS = (1, 3, 4)


def to_pictures(rendered: Any) -> list[np.ndarray]:
    """Bring what an environment rendered into pictures.

    Args:
        rendered: a picture, or a list of pictures of one size: RGB, RGBA (whose alpha is left out) or grey; whole
            numbers from 0 to 255, real ones from 0 to 1, or bool; channels last, or first where that is clear.

    Returns:
        Pictures, uint8 [height, width, 3].

    Raises:
        ValueError: says in what anything else is no picture.
    """
    array = np.asarray(rendered)
    if array.ndim == 4 or isinstance(rendered, list | tuple):
        return [_picture(frame) for frame in array]
    return [_picture(array)]


def fit(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring a picture to a size by scaling; what its proportions leave over is black.

    Args:
        picture: uint8 [h, w, 3].
        height: wanted.
        width: wanted.

    Returns:
        uint8 [height, width, 3]; the picture itself if it has this size.
    """
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = [max(1, round(side * scale)) for side in picture.shape[:2]]
    whole = np.zeros((height, width, 3), np.uint8)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    scaled = Image.fromarray(picture).resize((size[1], size[0]))
    whole[top : top + size[0], left : left + size[1]] = np.asarray(scaled)
    return whole


def _picture(frame: np.ndarray) -> np.ndarray:
    if frame.ndim == 2:
        frame = frame[..., None]
    if frame.ndim == 3 and frame.shape[0] in (1, 3) and min(frame.shape[1:]) > max(_CHANNELS):
        frame = np.moveaxis(frame, 0, 2)
    if (
        frame.ndim != 3
        or frame.shape[2] not in _CHANNELS
        or 0 in frame.shape
        or frame.dtype.kind not in "buif"
    ):
        raise ValueError(
            "A picture is an array of numbers [height, width] or [height, width, 1, 3 or 4], but got "
            f"{frame.dtype} {list(frame.shape)}; mend the environment's render()."
        )
    colours = np.broadcast_to(frame[..., :3], (*frame.shape[:2], 3))
    if frame.dtype == np.uint8:
        return np.ascontiguousarray(colours)
    highest = 255 if frame.dtype.kind in "iu" else 1
    if not (colours.min() >= 0 and colours.max() <= highest):
        raise ValueError(
            f"A picture of {frame.dtype} lies in 0 to {highest}, but got {colours.min()} to {colours.max()}; mend the "
            "environment's render()."
        )
    return np.round(colours.astype(np.float64) * (255 / highest)).astype(np.uint8)
