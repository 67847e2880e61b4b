"""Films of what was seen, and of which pixels count."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from engram.analysis.pictures import to_pictures
from engram.run_files.plain_files import replace_file

_MILLISECONDS = 200
_HEIGHT = 192


def write_film(path: Path, pictures: Tensor, weights: Tensor) -> Path:
    """Write a GIF: each picture as it was seen, and beside it grey, with what counts in orange.

    Args:
        path: the file.
        pictures: as of `engram.analysis.pictures.to_pictures`, uint8 [T, *].
        weights: not negative, [T, height, width]; the largest of all is the brightest.
    """
    most = max(float(weights.max()), 1e-30)
    frames = []
    for seen, weight in zip(to_pictures(pictures.cpu().numpy()), weights.cpu().numpy(), strict=True):
        grey = seen.mean(2, keepdims=True).repeat(3, 2) * 0.6
        # The root makes weak places visible beside strong ones.
        heat = np.sqrt(weight / most)[..., None]
        marked = grey * (1 - heat) + np.array([255.0, 140.0, 0.0]) * heat
        frame = Image.fromarray(np.concatenate([seen, marked.astype(np.uint8)], axis=1))
        scale = max(1, _HEIGHT // frame.height)
        frames.append(frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST))
    content = io.BytesIO()
    frames[0].save(
        content, format="GIF", save_all=True, append_images=frames[1:], duration=_MILLISECONDS, loop=0
    )
    replace_file(path, content.getvalue())
    return path
