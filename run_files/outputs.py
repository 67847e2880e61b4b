"""Places that a command writes its results to, proven before the work begins."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

from engram.common.errors import UsageError


def check_writable(option: str, folder: Path, files: Iterable[str] = ()) -> None:
    """Prove that files can be written into a folder that may not exist yet; leaves everything as it was.

    Args:
        option: that names the folder.
        folder: to be written to.
        files: names of the files to be written; may exist.

    Raises:
        UsageError: if the folder cannot be made or written to, or a name is taken by a folder.
    """
    try:
        _try_to_write(folder, files)
    except OSError as error:
        raise UsageError(
            f"{option} must be a folder that can be written to, but {_blamed(error, folder)} cannot "
            f"({error.strerror}); set {option}=<folder>."
        ) from error


def check_writable_file(option: str, path: Path) -> None:
    """Prove that a file can be written into a folder that exists; leaves everything as it was.

    Args:
        option: that names the file.
        path: may exist.

    Raises:
        UsageError: if there is no such folder, or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"{option} must lie in a folder that exists, but got {str(path)!r}; make the folder first."
        )
    try:
        _try_to_write(path.parent, [path.name])
    except OSError as error:
        raise UsageError(
            f"{option} must be a file that can be written, but {_blamed(error, path)} cannot ({error.strerror}); "
            f"set {option}=<file>."
        ) from error


def _try_to_write(folder: Path, files: Iterable[str]) -> None:
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for path in (folder / name for name in files):
            if path.exists():
                path.open("ab").close()
    finally:
        for path in made:
            with contextlib.suppress(OSError):  # never made, or another process has put something there
                path.rmdir()


def _blamed(error: OSError, path: Path) -> Path | str:
    """The path that an error names, unless it is one of the trial's own."""
    name = error.filename
    return path if name is None or Path(str(name)).name.startswith("tmp") else name
