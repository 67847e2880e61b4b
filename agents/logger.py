"""Metrics on disk: JSON lines and TensorBoard with the same keys."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from agents.event_files import PATTERN, cut_events
from agents.manifest import mark_metrics
from agents.metric_lines import NOTHING_LOGGED, LogMark
from agents.metrics_file import MetricsFile
from agents.metrics_log import cut_metrics, find_kept
from agents.run_files import METRICS_FILE

FRAMES_PER_SECOND = 8


class Logger:
    """Writes metrics of a run; continues where a checkpoint stands.

    Args:
        run_dir: the run's folder; gets `metrics.jsonl` and `tensorboard/`.
        resume_step: cut everything logged after this many environment steps. None starts afresh.
        tensorboard: also write TensorBoard files.
        counted: lines of metrics that the checkpoint counts on which the run is continued from; None if it is one of
            before, which does not say.
        trust_edited: go on with lines that were edited or damaged.

    Raises:
        EditedFileError: if lines before the checkpoint are not what was written, or are missing.
    """

    def __init__(
        self,
        run_dir: Path,
        resume_step: int | None = None,
        tensorboard: bool = True,
        counted: LogMark | None = None,
        trust_edited: bool = False,
    ) -> None:
        path, mark = run_dir / METRICS_FILE, NOTHING_LOGGED
        self._was_edited = False
        if resume_step is not None:
            kept = find_kept(path, resume_step, counted, trust_edited)
            self._was_edited = kept.is_edited
            mark_metrics(run_dir, NOTHING_LOGGED if kept.is_rewritten else kept.mark)
            mark = cut_metrics(path, kept, resume_step)
            cut_events(run_dir / "tensorboard", resume_step)
        self._file = MetricsFile(path, mark)
        if tensorboard:
            _wait_for_a_later_name(run_dir / "tensorboard")
        # For a TensorBoard that is running, and has read what was cut.
        purge_step = None if resume_step is None else resume_step + 1
        self._writer = (
            SummaryWriter(run_dir / "tensorboard", purge_step=purge_step, max_queue=1000)
            if tensorboard
            else None
        )

    @property
    def mark(self) -> LogMark:
        """How much has been logged."""
        return self._file.mark

    @property
    def is_edited(self) -> bool:
        """Whether the lines of metrics are not those that were written: edited and taken as they were, or lost."""
        return self._was_edited or self._file.has_lost_lines

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        """Write metrics at `env_steps`; numbers that are not finite become null in the JSON line."""
        self._file.append({"env_steps": env_steps, **metrics})
        if self._writer is not None:
            for key, value in metrics.items():
                self._writer.add_scalar(key, value, env_steps)

    def log_media(self, media: Mapping[str, Tensor], env_steps: int) -> None:
        """Write pictures, and films as animated GIFs, their sequences side by side, to TensorBoard.

        Args:
            media: uint8, pictures `[3, height, width]` or films `[B, T, 3, height, width]` by name.
            env_steps: when.

        Raises:
            ValueError: for anything else.
        """
        for key, picture in media.items():
            if picture.dtype != torch.uint8 or picture.ndim not in (3, 5) or picture.shape[-3] != 3:
                raise ValueError(
                    f"A picture is uint8 [3, height, width] and a film uint8 [B, T, 3, height, width], but {key} is "
                    f"{picture.dtype} {list(picture.shape)}; convert it first."
                )
            if self._writer is None:
                continue
            if picture.ndim == 3:
                self._writer.add_image(key, picture.cpu().numpy(), env_steps)
            else:
                image = _animation(picture.permute(1, 3, 0, 4, 2).flatten(2, 3))
                summary = Summary(value=[Summary.Value(tag=key, image=image)])
                self._writer._get_file_writer().add_summary(summary, env_steps)

    def flush(self) -> None:
        """Bring everything logged so far onto the disk, as must be before a checkpoint counts on it."""
        self._file.sync()
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Flush and close both files."""
        self._file.close()
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _animation(frames: Tensor) -> Summary.Image:
    """Encode frames `[T, height, width, 3]` as TensorBoard shows them; its own writer wants a package for it."""
    first, *others = [Image.fromarray(frame) for frame in frames.cpu().numpy()]
    encoded, milliseconds = io.BytesIO(), round(1000 / FRAMES_PER_SECOND)
    first.save(encoded, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    height, width = frames.shape[1:3]
    return Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded.getvalue())


def _wait_for_a_later_name(folder: Path) -> None:
    """Wait until an event file begun now sorts after those in `folder`.

    TensorBoard reads a folder's files by name, which holds the second they were begun in and then the number
    of the process. Of two begun in one second the older may come last, and its points would be read after
    the newer one's.
    """
    begun = [int(path.name.split(".")[3]) for path in folder.glob(PATTERN)]
    seconds = max(begun, default=0) + 1 - time.time()
    if 0 < seconds <= 1:  # more: the clock was put back, and waiting would not end
        time.sleep(seconds)
