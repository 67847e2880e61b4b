"""Files of a folder that may come from somebody else, in which any name may be a link to a file of the reader's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def check_plain(folder: Path) -> None:
    """Refuse a folder that holds anything but files and folders, however deep; it may itself be a link.

    Args:
        folder: what does not exist holds nothing.

    Raises:
        ValueError: names a link, a pipe or a device.
    """
    if not folder.is_dir():
        return
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False):
            continue
        kind = "a link" if entry.is_symlink() else "a pipe, socket or device"
        raise ValueError(
            f"A folder of results holds files and folders alone, but {entry.path} is {kind}, through which files "
            "elsewhere could be read or overwritten; put what it stands for in its place, or remove it."
        )


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is made now, in the place of whatever had its name; it is on the disk at the block's end.

    A link of that name is removed and not followed. What is written is removed if the block fails.

    Args:
        path: to be renamed when it is whole, see `replacement`.

    Raises:
        OSError: names it, if it cannot be made or written.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # a part of it on a full disk is of no use
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # the system names no file where a write fails
        raise


@contextmanager
def replacement(path: Path) -> Iterator[BinaryIO]:
    """Open what takes a file's place in one step at the block's end; if the block fails, what was there is left.

    Args:
        path: the file; a link of that name is replaced itself.
    """
    temporary = path.with_name(path.name + ".tmp")
    with new_file(temporary) as file:
        yield file
    temporary.replace(path)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file in one step, by a temporary one beside it; a link of that name is replaced itself.

    Args:
        path: the file.
        content: bytes, or text that becomes UTF-8.

    Raises:
        OSError: if it cannot be written; what was there before is left.
    """
    with replacement(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def follow_no_link(path: str, flags: int) -> int:
    """An `opener` for `open` that refuses a link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder, however deep: folders in one another could be more than Python's calls may be."""
    waiting = [os.fspath(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
