"""Metrics on disk: JSON lines and TensorBoard with the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from engram.run_files.event_files import cut_events
from engram.run_files.event_writer import EventWriter
from engram.run_files.fixed_config import Plain
from engram.run_files.manifest import mark_metrics
from engram.run_files.metric_lines import NOTHING_LOGGED, LogMark
from engram.run_files.metrics_file import MetricsFile
from engram.run_files.metrics_log import cut_metrics, find_kept
from engram.run_files.names import METRICS_FILE
from engram.run_files.pictures import check_picture, side_by_side


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
            mark_metrics(run_dir, mark, kept.is_edited)
            cut_events(run_dir / "tensorboard", resume_step)
        self._file = MetricsFile(path, mark)
        # For a TensorBoard that is running, and has read what was cut.
        purge_step = None if resume_step is None else resume_step + 1
        self._events = EventWriter(run_dir / "tensorboard", purge_step) if tensorboard else None

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
        if self._events is not None:
            self._events.add_scalars(metrics, env_steps)

    def log_options(self, options: Mapping[str, Plain]) -> None:
        """Write the options of the run by name to TensorBoard."""
        if self._events is not None:
            self._events.add_options(options)

    def log_media(self, media: Mapping[str, Tensor], env_steps: int) -> None:
        """Write pictures, and films as animated GIFs, their sequences side by side, to TensorBoard.

        Args:
            media: uint8, pictures `[3, height, width]` or films `[B, T, 3, height, width]` by name.
            env_steps: when.

        Raises:
            ValueError: for anything else.
        """
        for key, picture in media.items():
            check_picture(key, picture)
        if self._events is not None:
            self._events.add_pictures(
                {key: side_by_side(picture) for key, picture in media.items()}, env_steps
            )

    def flush(self) -> None:
        """Bring everything logged so far onto the disk, as must be before a checkpoint counts on it."""
        self._file.sync()
        if self._events is not None:
            self._events.sync()

    def close(self) -> None:
        """Flush and close both files."""
        try:
            self._file.close()
        finally:
            if self._events is not None:
                self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
