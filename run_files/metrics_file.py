"""The open `metrics.jsonl` of a run that goes on, which loses no line when somebody meddles with the file."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

from engram.run_files.metric_lines import NOTHING_LOGGED, LogMark, read_lines, write_line
from engram.run_files.plain_files import follow_no_link, replacement


class MetricsFile:
    """Appends lines to a run's log.

    Before each line it looks whether the file is still in its place and as long as it was left: two calls of the
    system. One that was removed or replaced is written again from the file that is still open.

    Args:
        path: the log; made if it does not exist.
        mark: how much of it there is.

    Attributes:
        mark: how much of it there is by now.
        has_lost_lines: somebody overwrote lines, so that there are fewer than were written.
    """

    def __init__(self, path: Path, mark: LogMark = NOTHING_LOGGED) -> None:
        self._path = path
        self.mark = mark
        self.has_lost_lines = False
        self._open()

    def _open(self) -> None:
        self._file = open(self._path, "a+b", opener=follow_no_link)
        self._size = os.fstat(self._file.fileno()).st_size

    def append(self, row: Mapping[str, float]) -> None:
        """Write a line; numbers that are not finite become null."""
        self.mend()
        text, own = write_line(row, self.mark.hash)
        self._size += self._file.write(text.encode())
        self._file.flush()
        self.mark = LogMark(self.mark.lines + 1, own)

    def sync(self) -> None:
        """Bring all lines onto the disk."""
        self.mend()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def mend(self) -> None:
        """Put the log back into its place if it is not there or not as it was left, with a warning that says so."""
        own = os.fstat(self._file.fileno())
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            there = None
        if own.st_size != self._size:
            self._cut_to_own_lines()
        if there is None or (there.st_ino, there.st_dev) != (own.st_ino, own.st_dev):
            self._write_again(there is None)

    def _write_again(self, was_removed: bool) -> None:
        """Copy the lines, which the open file still holds, to where they belong."""
        if not self._path.parent.is_dir():
            return  # the whole folder was moved or removed: the open file is the right one as long as it lasts
        what = "was removed"
        if not was_removed:
            aside = _free_name(self._path)
            self._path.rename(aside)
            what = f"was replaced by another file, which is kept as {aside.name}"
        self._file.seek(0)
        with replacement(self._path) as file:
            shutil.copyfileobj(self._file, file)
        self._file.close()
        self._open()
        warnings.warn(
            f"{self._path} {what} while the run goes on; it is written again, no line is lost.", stacklevel=4
        )

    def _cut_to_own_lines(self) -> None:
        """Find the lines that are still as this run wrote them, and drop what follows."""
        before, mark, end = self.mark, NOTHING_LOGGED, 0
        self._file.seek(0)
        for line in read_lines(self._file):
            if line.problem is not None or not line.hash or mark.lines == before.lines:
                break
            mark, end = LogMark(mark.lines + 1, line.hash), line.end
        self._file.truncate(end)
        self.mark, self._size = mark, end
        lost = before.lines - mark.lines
        self.has_lost_lines = self.has_lost_lines or lost > 0
        outcome = f"{lost} of its {before.lines} lines are lost" if lost else "what was added is taken out"
        warnings.warn(f"{self._path} was changed while the run goes on; {outcome}.", stacklevel=4)


def _free_name(path: Path) -> Path:
    """A name beside a log's for a file that took its place."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.replaced-{number}{path.suffix}")).exists():
        number += 1
    return aside
