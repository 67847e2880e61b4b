"""A run's folder is written by one process at a time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from engram.common.errors import UsageError

LOCK_FILE = "lock"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def folder_lock(folder: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold a folder's lock while the block runs; the system releases it when the process ends, however it ends.

    Args:
        folder: an existing folder; gets the file `lock`, which may not be a link.
        wait_seconds: how long to wait for another process that holds it.

    Raises:
        UsageError: if another process still holds it then, the folder cannot be written to, or its disk has no locks.
        OSError: if the disk is full.
    """
    # A file in place of a lock of the system would outlive the process that made it.
    lock = FileLock(folder / LOCK_FILE, wait_seconds, fallback_to_soft=False)
    try:
        held = lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"One process at a time may write to {folder}, but another one does; wait for it, or end it."
        ) from error
    except OSError as error:
        if error.errno in _FULL:
            raise
        way = "copy it to a place of your own and name the copy, or change its permissions"
        if error.errno in _NO_LOCKS:
            way = "its disk has no locks, as some network drives have none: put it on one of this machine"
        raise UsageError(
            f"A folder that is written to must allow it, but {folder} does not ({error.strerror}); {way}."
        ) from error
    with held:
        yield


def is_locked(folder: Path) -> bool:
    """Whether another process holds a folder's lock, or none can be had there."""
    try:
        with folder_lock(folder):
            return False
    except (UsageError, OSError):
        return True
