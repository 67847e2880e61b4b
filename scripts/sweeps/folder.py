"""The folder that a sweep or a search writes to."""

from __future__ import annotations

from pathlib import Path

from engram.common.errors import UsageError
from engram.run_files.plain_files import check_plain


def make_folder(directory: Path) -> None:
    """Make it, unless it is there.

    Raises:
        UsageError: if it cannot be made.
        ValueError: if it holds anything but files and folders.
    """
    check_plain(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"A sweep's folder must be one that can be made, but {directory} cannot ({error.strerror}); "
            "set sweep.dir=<folder>."
        ) from error
