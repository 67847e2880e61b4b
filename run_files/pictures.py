"""Pictures and films as bytes of image files: what TensorBoard and experiment trackers are given."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

FRAMES_PER_SECOND = 8


def check_picture(name: str, picture: Tensor) -> None:
    """Hold a picture against the form that can be shown.

    Raises:
        ValueError: unless it is uint8, a picture `[3, height, width]` or a film `[B, T, 3, height, width]`.
    """
    if picture.dtype != torch.uint8 or picture.ndim not in (3, 5) or picture.shape[-3] != 3:
        raise ValueError(
            f"A picture is uint8 [3, height, width] and a film uint8 [B, T, 3, height, width], but {name} is "
            f"{picture.dtype} {list(picture.shape)}; convert it first."
        )


def side_by_side(picture: Tensor) -> Tensor:
    """A picture as it is, and the sequences `[B, T, 3, height, width]` of a film as one, `[T, 3, height, B·width]`."""
    return picture if picture.ndim == 3 else picture.permute(1, 2, 3, 0, 4).flatten(3, 4)


def encoded(picture: Tensor) -> tuple[bytes, str]:
    """An image file.

    Args:
        picture: uint8, one picture `[3, height, width]` or frames `[T, 3, height, width]`.

    Returns:
        Its bytes, and the kind that it is: `png`, or `gif` for frames.
    """
    frames = picture.permute(*range(picture.ndim - 3), -2, -1, -3).cpu().numpy()
    file = io.BytesIO()
    if picture.ndim == 3:
        Image.fromarray(frames).save(file, "PNG")
        return file.getvalue(), "png"
    first, *others = map(Image.fromarray, frames)
    duration = round(1000 / FRAMES_PER_SECOND)
    first.save(file, "GIF", save_all=True, append_images=others, duration=duration, loop=0)
    return file.getvalue(), "gif"
