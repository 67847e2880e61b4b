"""Folders that a command writes its results to, proven before the work begins."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from scripts.errors import UsageError


def check_writable(option: str, folder: Path, files: Iterable[str] = ()) -> None:
    """Prove that files can be written into a folder that may not exist yet; leaves everything as it was.

    Args:
        option: that names the folder.
        folder: to be written to.
        files: names of the files to be written; may exist.

    Raises:
        UsageError: if the folder cannot be made or written to, or a name is taken by a folder.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for path in (folder / name for name in files):
            if path.exists():
                path.open("ab").close()
    except OSError as error:
        raise UsageError(
            f"{option} must be a folder that can be written to, but {error.filename or folder} cannot "
            f"({error.strerror}); set {option}=<folder>."
        ) from error
    finally:
        for path in made:
            if path.is_dir():
                path.rmdir()
