"""Writing frames as a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.errors import UsageError


def write_video(path: Path, frames: list[np.ndarray], frames_per_second: int) -> Path:
    """Write an MP4.

    Args:
        path: the file.
        frames: uint8 `[height, width, 3]` each.
        frames_per_second: speed.

    Returns:
        `path`.

    Raises:
        UsageError: if the optional package for videos is not installed.
    """
    try:
        from moviepy.video.io.ImageSequenceClip import ImageSequenceClip
    except ImportError as error:
        raise UsageError(
            "A video needs moviepy, which is not installed; pip install 'engram-rl[video]'."
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    # H.264 wants even sides: repeat the last row or column where one is odd.
    padded = [np.pad(f, ((0, f.shape[0] % 2), (0, f.shape[1] % 2), (0, 0)), mode="edge") for f in frames]
    ImageSequenceClip(padded, fps=frames_per_second).write_videofile(str(path), logger=None)
    return path
