"""A run's folder is written by one process at a time."""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engram.common.errors import UsageError
from engram.run_files.plain_files import follow_no_link

LOCK_FILE = "lock"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def folder_lock(folder: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold a folder's lock while the block runs; the system releases it when the process ends, however it ends.

    Args:
        folder: an existing folder; gets the file `lock`.
        wait_seconds: how long to wait for another process that holds it.

    Raises:
        UsageError: if another process still holds it then, or the folder cannot be written to.
        OSError: if the disk is full.
    """
    deadline = time.monotonic() + wait_seconds
    try:
        lock = open(folder / LOCK_FILE, "a", opener=follow_no_link)
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise UsageError(
            f"A folder that is written to must allow it, but {folder} does not ({error.strerror}); copy it to a place "
            "of your own and name the copy, or change its permissions."
        ) from error
    with lock as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise UsageError(
                        f"One process at a time may write to {folder}, but another one does; wait for it, or end it."
                    ) from error
                time.sleep(0.1)
        yield


def is_locked(folder: Path) -> bool:
    """Whether another process holds a folder's lock, or none can be had there."""
    try:
        with folder_lock(folder):
            return False
    except (UsageError, OSError):
        return True
