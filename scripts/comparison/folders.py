"""Where runs lie: folders that training wrote, below other folders or in archives."""

from __future__ import annotations

import glob
import zipfile
import zlib
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from agents.run_files import CONFIG_FILE, METRICS_FILE, VERSIONS_FILE
from scripts.errors import UsageError

RUN_FILES = (CONFIG_FILE, METRICS_FILE, VERSIONS_FILE)
ARCHIVE_SUFFIX = ".zip"
# What reading a damaged file raises, on disk or in an archive.
DAMAGE = (ValueError, OSError, zipfile.BadZipFile, zlib.error)

# A run's folder, on disk or in an archive of runs.
Folder = Traversable


def find_run_folders(patterns: Sequence[str]) -> list[Folder]:
    """Find the run folders that globs, folders or archives name, searched recursively.

    A run's folder is known by any one of its files, so that one that lacks the others is noticed.

    Raises:
        UsageError: if a pattern matches nothing, or nothing in it is a run's folder.
    """
    found: dict[str, Folder] = {}
    for pattern in patterns:
        places = sorted(Path(place) for place in glob.glob(pattern, recursive=True))
        folders = [folder for place in places for folder in _open(place)]
        if not folders:
            what = "holds none" if places else "does not exist"
            raise UsageError(
                f"runs must name run folders, or folders with run folders in them, but {pattern} {what}; "
                "give a folder that training wrote into, such as runs=runs."
            )
        found |= {folder_name(folder): folder for folder in folders}
    return list(found.values())


def _open(place: Path) -> list[Folder]:
    """The run folders in a folder or an archive; an archive that cannot be read stands for itself."""
    if place.is_dir():
        return _descend(place)
    if place.suffix != ARCHIVE_SUFFIX:
        return []
    try:
        return _descend(zipfile.Path(place))
    except DAMAGE:
        return [place]


def _descend(folder: Folder) -> list[Folder]:
    if any((folder / name).is_file() for name in RUN_FILES):
        return [folder]
    children = sorted((child for child in folder.iterdir() if child.is_dir()), key=folder_name)
    return [found for child in children for found in _descend(child)]


def folder_name(folder: Folder) -> str:
    """A folder as it was given, or as it lies in the archive that was."""
    return folder.as_posix() if isinstance(folder, Path) else str(folder).rstrip("/")
