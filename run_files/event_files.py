"""TensorBoard's event files, cut where a run is continued, so that no reader finds a step twice.

TensorBoard itself leaves out what a continued run has written again, if it is told to; others, which read the records
as they stand, do not. A record is its length (8 bytes), a checksum of that (4), an `Event` and a checksum of it (4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

from engram.run_files.plain_files import new_file

PATTERN = "events.out.tfevents.*"
_HEADER, _CHECKSUM_BYTES = struct.Struct("<QI"), 4


def cut_events(folder: Path, env_steps: int) -> None:
    """Drop the events after a step, and a record that was cut off while being written; each file in one step.

    Args:
        folder: holds event files, or does not exist.
        env_steps: the last step to keep.
    """
    for path in sorted(folder.glob(PATTERN)):
        temporary = folder / "cut.tmp"
        with path.open("rb") as source, new_file(temporary) as target:
            for record, step in _records(source):
                if step <= env_steps:
                    target.write(record)
        if temporary.stat().st_size < path.stat().st_size:
            temporary.replace(path)
        else:
            temporary.unlink()


def _records(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Whole records with the steps of their events, up to the first that is not whole."""
    while len(header := file.read(_HEADER.size)) == _HEADER.size:
        length, _ = _HEADER.unpack(header)
        body = file.read(length + _CHECKSUM_BYTES)
        if len(body) < length + _CHECKSUM_BYTES:
            return
        try:
            event = Event.FromString(body[:length])
        except DecodeError:
            return
        yield header + body, event.step
