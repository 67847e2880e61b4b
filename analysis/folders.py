"""Where runs lie: folders that training wrote, below other folders or in archives."""

from __future__ import annotations

import contextlib
import glob
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from engram.analysis.archive_folders import Archive, ArchiveFolder, name_fault
from engram.analysis.skipped import Skipped, skip
from engram.common.errors import UsageError
from engram.common.printable import printable
from engram.run_files.names import CONFIG_FILE, METRICS_FILE, VERSIONS_FILE

RUN_FILES = (CONFIG_FILE, METRICS_FILE, VERSIONS_FILE)
ARCHIVE_SUFFIX = ".zip"
# What reading a damaged file raises, on disk or in an archive.
DAMAGE = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)

# A run's folder, on disk or in an archive of runs.
Folder = Traversable


def find_run_folders(patterns: Sequence[str]) -> tuple[list[Folder], list[Skipped]]:
    """Find the run folders that globs, folders or archives name, searched recursively.

    A run's folder is known by any one of its files, so that one that lacks the others is noticed. A link that is
    named is followed; one that lies in a folder could lead anywhere, also to a folder around it, and is not.

    Returns:
        The folders, and what was left out on the way.

    Raises:
        UsageError: if a pattern matches nothing, or nothing in it is a run's folder.
    """
    found: dict[str, Folder | Skipped] = {}
    for pattern in patterns:
        places = named_places([pattern])
        runs = {_name_of(one): one for place in places for one in _open(place)}
        if not runs:
            what = "holds none" if places else "does not exist"
            raise UsageError(
                f"runs must name run folders, or folders with run folders in them, but {pattern} {what}; "
                "give a folder that training wrote into, such as runs=runs."
            )
        found |= runs
    skipped = [one for one in found.values() if isinstance(one, Skipped)]
    return [one for one in found.values() if not isinstance(one, Skipped)], skipped


def named_places(patterns: Sequence[str]) -> list[Path]:
    """The files and folders that globs name, those of each in order."""
    return [Path(place) for pattern in patterns for place in sorted(set(_matches(pattern)))]


def folder_name(folder: Folder) -> str:
    """A folder as it was given, or as it lies in the archive that was."""
    return printable(folder.as_posix() if isinstance(folder, Path) else str(folder))


def _name_of(one: Folder | Skipped) -> str:
    return one.name if isinstance(one, Skipped) else str(one)


def _matches(pattern: str) -> Iterator[str]:
    """The files and folders that a glob names; `**` follows no links."""
    parts = Path(pattern).parts
    if "**" not in parts:
        yield from [pattern] if os.path.lexists(pattern) else glob.glob(pattern)
        return
    before, after = parts[: parts.index("**")], parts[parts.index("**") + 1 :]
    for start in glob.glob(str(Path(*before))):
        if not after:
            yield start  # which is searched itself
        for folder in _below(Path(start)):
            yield from _matches(str(Path(glob.escape(str(folder)), *(after or [f"*{ARCHIVE_SUFFIX}"]))))


def _below(start: Path) -> Iterator[Path]:
    """A folder and those in it, however deep, hidden ones apart."""
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        yield folder
        with contextlib.suppress(OSError):
            waiting += [child for child in _children(_entries(folder)) if not child.name.startswith(".")]


def _open(place: Path) -> Iterator[Folder | Skipped]:
    """The run folders in a folder or an archive; what cannot be read stands for itself."""
    if os.path.isdir(place):
        yield from _on_disk(place)
    elif place.suffix == ARCHIVE_SUFFIX:
        try:
            yield from _in_archive(Archive(place))
        except DAMAGE as error:
            yield skip(place.as_posix(), error)


def _on_disk(place: Path) -> Iterator[Folder | Skipped]:
    waiting = [place]
    while waiting:
        folder = waiting.pop()
        try:
            entries = _entries(folder)
        except OSError as error:
            yield skip(folder.as_posix(), f"cannot be read: {error.strerror}")
            continue
        if any(entry.name in RUN_FILES and not entry.is_dir(follow_symlinks=False) for entry in entries):
            yield folder
            continue
        for entry in entries:
            if entry.is_symlink() and os.path.isdir(entry.path):
                yield skip(
                    Path(entry.path).as_posix(),
                    "is a link to a folder, which is not followed; name that folder in runs",
                )
        waiting += reversed(_children(entries))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _children(entries: Sequence[os.DirEntry[str]]) -> list[Path]:
    """The folders among entries; a link to one is none."""
    return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _in_archive(archive: Archive) -> Iterator[Folder | Skipped]:
    named = {name.rpartition("/")[0] for name in archive.entries if name.rpartition("/")[2] in RUN_FILES}
    for inside in sorted(named):
        folder = ArchiveFolder(archive, inside)
        if inside and (fault := name_fault(inside)) is not None:
            yield skip(str(folder), fault)
        elif not any(other in named for other in _around(inside)):
            yield folder


def _around(inside: str) -> Iterator[str]:
    """The folders that a folder in an archive lies in."""
    while inside:
        inside = inside.rpartition("/")[0]
        yield inside
