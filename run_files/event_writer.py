"""Writes a TensorBoard event file from the thread that logs, so that a full or lost disk is an error where it happens.

TensorBoard's own writer works in a thread of its own, which prints its traceback and loses what comes after.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.metadata import (
    NULL_TENSOR,
    SESSION_START_INFO_TAG,
    create_summary_metadata,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor

from engram.run_files.event_files import PATTERN
from engram.run_files.fixed_config import Plain
from engram.run_files.pictures import encoded
from engram.run_files.plain_files import follow_no_link


class EventWriter:
    """Writes scalars and pictures to a new event file; whoever reads it sees each call's at once.

    Args:
        folder: made if it does not exist.
        purge_step: tells a TensorBoard that is running to forget what it has read of this step and later ones.

    Raises:
        OSError: if the file cannot be made or written; so do all methods.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _wait_for_a_later_name(folder)
        self._file = _open_new(folder)
        self._records = RecordWriter(self._file)
        try:
            self._write(file_version="brain.Event:2")
            if purge_step is not None:
                self._write(step=purge_step, session_log=SessionLog(status=SessionLog.START))
        except OSError:
            with contextlib.suppress(OSError):  # it tries once more to write
                self._file.close()
            raise

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""
        points = [Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
        self._write(step=step, summary=Summary(value=points))

    def add_pictures(self, pictures: Mapping[str, Tensor], step: int) -> None:
        """Write pictures `[3, height, width]`, and frames `[T, 3, height, width]` as animated GIFs, by name; uint8."""
        images = [Summary.Value(tag=name, image=_encoded(picture)) for name, picture in pictures.items()]
        self._write(step=step, summary=Summary(value=images))

    def add_options(self, options: Mapping[str, Plain]) -> None:
        """Write the run's options by name, for the page HParams, which shows the last scalars beside them."""
        start = SessionStartInfo(start_time_secs=time.time())
        for name, value in options.items():
            shown = start.hparams[name]
            if isinstance(value, bool):
                shown.bool_value = value
            elif isinstance(value, str):
                shown.string_value = value
            else:
                shown.number_value = value
        metadata = create_summary_metadata(HParamsPluginData(session_start_info=start))
        point = Summary.Value(tag=SESSION_START_INFO_TAG, metadata=metadata, tensor=NULL_TENSOR)
        self._write(summary=Summary(value=[point]))

    def _write(self, **content: object) -> None:
        event = Event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
        self._file.flush()

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open_new(folder: Path) -> BinaryIO:
    """Make a file under a name that is not taken; `_wait_for_a_later_name` says what is in it."""
    for number in itertools.count():
        path = folder / f"events.out.tfevents.{int(time.time()):010d}.engram.{os.getpid()}.{number}"
        try:
            return open(path, "xb", opener=follow_no_link)
        except FileExistsError:
            continue
    raise AssertionError


def _wait_for_a_later_name(folder: Path) -> None:
    """Wait until an event file begun now sorts after those in `folder`.

    TensorBoard reads a folder's files by name, which holds the second they were begun in and then the number
    of the process. Of two begun in one second the older may come last, and its points would be read after
    the newer one's.
    """
    seconds = max(_seconds_of(folder), default=0) + 1 - time.time()
    if 0 < seconds <= 1:  # more: the clock was put back, and waiting would not end
        time.sleep(seconds)


def _seconds_of(folder: Path) -> Iterator[int]:
    return (int(path.name.split(".")[3]) for path in folder.glob(PATTERN))


def _encoded(picture: Tensor) -> Summary.Image:
    height, width = picture.shape[-2:]
    return Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded(picture)[0])
