"""Writing frames as a video."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from scripts.errors import UsageError


class VideoWriter:
    """An MP4 that is written frame by frame, so that long episodes need no memory; to be used in a `with`.

    Args:
        path: the file.
        frames_per_second: speed.

    Raises:
        UsageError: if the optional package for videos is not installed.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        try:
            from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter
        except ImportError as error:
            raise UsageError(
                "A video needs moviepy, which is not installed; pip install -e '.[video]'."
            ) from error
        self.path, self.frames_per_second = path, frames_per_second
        self._make_writer = FFMPEG_VideoWriter
        self._writer: Any = None

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 `[height, width, 3]`, of the same size as the first."""
        # H.264 wants even sides: repeat the last row or column where one is odd.
        height, width = frame.shape[:2]
        padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = padded.shape[1], padded.shape[0]
            self._writer = self._make_writer(str(self.path), size, self.frames_per_second)
        self._writer.write_frame(padded)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
