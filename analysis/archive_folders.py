"""Archives of runs that may come from anybody, read where they are and within bounds: nothing is unpacked."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

# Entries: a run has six, so this is sixteen thousand runs.
_MOST_ENTRIES = 100_000
# Letters of an entry's name, folders included.
_LONGEST_NAME = 1000
# Text of metrics becomes a sixth as long. What claims more than this is made to fill a memory or a disk.
_MOST_TIMES = 250
_MOST_BYTES = 1 << 28
_FREE_BYTES = 1 << 20
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCAL_HEADER = 30


class ArchiveFolder(Traversable):
    """A file or folder in an archive; its name is only looked up, and leads nowhere.

    Args:
        archive: of `open_archive`.
        inside: its name in there; the archive itself by default.
    """

    def __init__(self, archive: Archive, inside: str = "") -> None:
        self._archive = archive
        self.inside = inside

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.inside.rpartition("/")[2] or self._archive.path.name

    def __str__(self) -> str:
        return f"{self._archive.path.as_posix()}/{self.inside}".rstrip("/")

    def joinpath(self, *descendants: Any) -> ArchiveFolder:
        """What has a further part in its name."""
        return ArchiveFolder(self._archive, "/".join(filter(None, [self.inside, *map(str, descendants)])))

    __truediv__ = joinpath

    def is_file(self) -> bool:
        """Whether there is such an entry."""
        return self.inside in self._archive.entries

    def is_dir(self) -> bool:
        """Whether an entry lies in it."""
        return not self.inside or any(True for _ in self.iterdir())

    def iterdir(self) -> Iterator[ArchiveFolder]:
        """What lies in it."""
        start = f"{self.inside}/" if self.inside else ""
        names = (name[len(start) :] for name in self._archive.entries if name.startswith(start))
        for part in dict.fromkeys(name.partition("/")[0] for name in names):
            yield self / part

    def open(self, mode: str = "r", *_: Any, **__: Any) -> IO[Any]:
        """Open an entry for reading, as bytes with `rb`, else as UTF-8.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it cannot be read within bounds, with the reason.
        """
        file = self._archive.open(self.inside)
        return file if "b" in mode else io.TextIOWrapper(file, "utf-8")

    def read_bytes(self) -> bytes:
        """Read it whole."""
        with self.open("rb") as file:
            return bytes(file.read())

    def read_text(self, encoding: str | None = None) -> str:
        """Read it whole, as UTF-8."""
        return self.read_bytes().decode(encoding or "utf-8")


class Archive:
    """An open ZIP file.

    Args:
        path: of the file.

    Raises:
        ValueError: if it is none, or has too many entries; with the reason.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except OSError:
            raise
        except Exception as error:  # whatever a hostile directory makes `zipfile` raise
            raise ValueError("is damaged: no archive of runs") from error
        found = [entry for entry in self._file.infolist() if not entry.is_dir()]
        if len(found) > _MOST_ENTRIES:
            raise ValueError(f"holds more than {_MOST_ENTRIES:,} files, so it is no archive of runs")
        self.entries = {entry.filename: entry for entry in found}
        self._faults = _faults(found)

    def open(self, name: str) -> IO[bytes]:
        """Open an entry; no more is read of it than it claims to hold.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if its claims are beyond bounds.
        """
        if name not in self.entries:
            raise FileNotFoundError(f"{self.path} has no {name}")
        if name in self._faults:
            raise ValueError(self._faults[name])
        return self._file.open(self.entries[name])


def _faults(entries: list[zipfile.ZipInfo]) -> dict[str, str]:
    """Why entries are not to be read, by name."""
    faults = {}
    seen = set()
    for entry in entries:
        if (reason := _fault(entry)) is not None:
            faults[entry.filename] = reason
        elif entry.filename in seen:
            faults[entry.filename] = "it is in the archive twice"
        seen.add(entry.filename)
    before: zipfile.ZipInfo | None = None
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if before is not None and entry.header_offset < _end(before):
            faults[entry.filename] = faults[before.filename] = "it shares its bytes with another file"
        if before is None or _end(entry) > _end(before):
            before = entry
    return faults


def _fault(entry: zipfile.ZipInfo) -> str | None:
    if entry.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if entry.compress_type not in _METHODS:
        return f"it is compressed by method {entry.compress_type}, where an archive of runs has deflate"
    if entry.file_size > min(_MOST_BYTES, _FREE_BYTES + _MOST_TIMES * entry.compress_size):
        return f"it claims to hold {entry.file_size:,} bytes in {entry.compress_size:,}"
    return None


def _end(entry: zipfile.ZipInfo) -> int:
    """Where an entry ends at the earliest."""
    return entry.header_offset + _LOCAL_HEADER + len(entry.orig_filename) + entry.compress_size


def name_fault(name: str) -> str | None:
    """Why a name in an archive is none that a file of a run has; None for a good one."""
    if len(name) > _LONGEST_NAME:
        return f"its name is longer than {_LONGEST_NAME} letters"
    if "\\" in name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
        return "its name leads out of the archive"
    return None
