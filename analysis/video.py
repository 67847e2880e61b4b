"""Writing frames as a video."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from engram.analysis.pictures import fit, to_pictures
from engram.common.errors import UsageError


class VideoWriter:
    """An MP4 that is written frame by frame, so that long episodes need no memory; to be used in a `with`.

    It is whole or not at all: it lies beside its place under another name until the block has ended well.

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
        self._unfinished = path.with_name(f"{path.stem}.unfinished{path.suffix}")
        self._make_writer = FFMPEG_VideoWriter
        self._writer: Any = None
        self._size, self._count = (0, 0), 0

    def write(self, rendered: Any) -> None:
        """Add what an environment rendered, one picture or several; all are brought to the size of the first.

        Args:
            rendered: see `to_pictures`.

        Raises:
            UsageError: if it is no picture.
        """
        try:
            pictures = to_pictures(rendered)
        except ValueError as error:
            raise UsageError(f"Picture {self._count + 1} of the video cannot be drawn: {error}") from error
        for picture in pictures:
            self._write(picture)

    def _write(self, picture: np.ndarray) -> None:
        if self._writer is None:
            self._size = picture.shape[0], picture.shape[1]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            even = tuple(side + side % 2 for side in reversed(self._size))
            # Of a name that begins with a dash or holds a colon ffmpeg would make an option or a protocol.
            path = str(self._unfinished.absolute())
            self._writer = self._make_writer(path, even, self.frames_per_second)
        height, width = self._size
        # H.264 wants even sides: repeat the last row or column where one is odd.
        padding = ((0, height % 2), (0, width % 2), (0, 0))
        self._writer.write_frame(np.pad(fit(picture, height, width), padding, mode="edge"))
        self._count += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        self._writer.close()
        if error is None:
            self._unfinished.replace(self.path)
        else:
            self._unfinished.unlink(missing_ok=True)
