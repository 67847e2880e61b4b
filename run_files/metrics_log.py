"""A run's `metrics.jsonl`, read back, and cut where the run is continued."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, NamedTuple

from engram.run_files.metric_lines import NOTHING_LOGGED, Line, LogMark, Row, read_lines, write_line
from engram.run_files.plain_files import follow_no_link, replacement
from engram.run_files.sealed_json import EditedFileError, refuse_edited

# Bytes of a line, which takes six hundred.
_LONGEST_LINE = 1 << 20


def read_metrics(path: Traversable) -> list[Row]:
    """Read all lines, see `stream_metrics`; none where there is no such file."""
    return list(stream_metrics(path)) if path.is_file() else []


def stream_metrics(
    path: Traversable, mark: LogMark = NOTHING_LOGGED, trust_edited: bool = False
) -> Iterator[Row]:
    """Read JSON lines one by one; a last line that was cut off while being written is left out.

    Args:
        path: the file, on disk or in an archive.
        mark: what it holds at least. Default: nothing is known.
        trust_edited: take lines that were edited, and leave out what is no line, with a warning.

    Yields:
        The rows, without their hashes.

    Raises:
        EditedFileError: names the first line that is not what was written, or says that lines are missing.
    """
    problems: list[str] = []
    with path.open("rb") as file:
        for problem, row in _checked(file, mark):
            if problem is not None and not trust_edited:
                raise EditedFileError(problem)
            problems += [] if problem is None else [problem]
            if row is not None:
                yield row
    if problems:
        refuse_edited(f"{path} was edited or damaged since: {problems[0]}", trust_edited)


def _checked(file: IO[bytes], mark: LogMark) -> Iterator[tuple[str | None, Row | None]]:
    """What is wrong with each line, and its row; the last one may have been cut off while being written."""
    number = 0
    unread: str | None = None
    for number, line in enumerate(read_lines(_bounded(file)), start=1):
        if unread is not None:
            yield unread, None
            unread = None
        problem = line.problem
        if problem is None and number == mark.lines and line.hash != mark.hash:
            problem = "is not the one that was written"
        problem = problem and f"line {number} {problem}"
        if line.row is None:
            unread = problem
        else:
            yield problem, line.row
    whole = number - (unread is not None)
    if whole < mark.lines:
        yield unread or _too_few(whole, mark), None


class Kept(NamedTuple):
    """The part of a log that a continued run keeps.

    Attributes:
        mark: its lines and the hash of the last; meaningless if it is written anew.
        end: their bytes.
        is_rewritten: its lines get hashes (anew): those of before had none, and edited ones have others.
        is_edited: it is not what was written.
    """

    mark: LogMark
    end: int
    is_rewritten: bool = False
    is_edited: bool = False


def find_kept(path: Path, env_steps: int, mark: LogMark | None, trust_edited: bool = False) -> Kept:
    """Find what a run keeps of its log that is continued from a checkpoint; nothing is written.

    Args:
        path: the log; need not exist if nothing was logged before the checkpoint.
        env_steps: how far the checkpoint has logged.
        mark: the log that the checkpoint counts on; None for a checkpoint of before, which does not say.
        trust_edited: take a log that was edited, with a warning.

    Raises:
        EditedFileError: if lines before the checkpoint are not what was written, or are missing.
    """
    kept, problem = _of_steps(path, env_steps) if mark is None else _of_mark(path, mark)
    if problem is None:
        return kept
    refuse_edited(f"{path} was edited or damaged since: {problem}", trust_edited)
    return kept._replace(is_rewritten=True, is_edited=True)


def _of_mark(path: Path, mark: LogMark) -> tuple[Kept, str | None]:
    """The first so many lines of a log, and what is wrong with them."""
    number, end, last = 0, 0, ""
    with _open_log(path) as file:
        for number, line in enumerate(itertools.islice(read_lines(_bounded(file)), mark.lines), start=1):
            if line.problem is not None:
                return Kept(mark, 0), f"line {number} {line.problem}"
            end, last = line.end, line.hash
    if number < mark.lines:
        return Kept(mark, 0), _too_few(number, mark)
    return Kept(mark, end), None if last == mark.hash else f"line {number} is not the one that was written"


def _of_steps(path: Path, env_steps: int) -> tuple[Kept, str | None]:
    """The lines of a log up to a step, and what is wrong with them."""
    mark, end = NOTHING_LOGGED, 0
    problem: str | None = None
    with _open_log(path) as file:
        for number, line in _lines_until(file, env_steps):
            if problem is None and number > mark.lines + 1:
                problem = f"line {mark.lines + 1} is no JSON object with env_steps"
            problem = problem or (line.problem and f"line {number} {line.problem}")
            mark, end = LogMark(mark.lines + 1, line.hash), line.end
    return Kept(mark, end, is_rewritten=bool(mark.lines) and not mark.hash), problem


def _lines_until(file: IO[bytes], env_steps: int) -> Iterator[tuple[int, Line]]:
    """The lines that can be read, with their numbers, up to the first after a step."""
    for number, line in enumerate(read_lines(_bounded(file)), start=1):
        steps = None if line.row is None else line.row.get("env_steps")
        if isinstance(steps, int | float):
            if steps > env_steps:
                return
            yield number, line


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a log; one that is too long for any falls into parts, which are none."""
    return iter(lambda: file.readline(_LONGEST_LINE), b"")


def _open_log(path: Path) -> IO[bytes]:
    """Open a log to read; one that does not exist has no lines."""
    return path.open("rb") if path.exists() else io.BytesIO()


def cut_metrics(path: Path, kept: Kept, env_steps: int) -> LogMark:
    """Drop what is not kept, in one step.

    Args:
        path: the log; made if it does not exist.
        kept: of `find_kept`.
        env_steps: how far the checkpoint has logged.

    Returns:
        The log's mark now.
    """
    if kept.is_rewritten:
        return _rewrite(path, env_steps)
    with open(path, "a+b", opener=follow_no_link) as file:
        file.truncate(kept.end)
        file.seek(max(0, kept.end - 1))
        if file.read(1) not in (b"", b"\n"):
            file.write(b"\n")
    return kept.mark


def _rewrite(path: Path, env_steps: int) -> LogMark:
    """Write the lines up to a step that can be read again, each with its hash."""
    mark = NOTHING_LOGGED
    with _open_log(path) as source, replacement(path) as target:
        for _, line in _lines_until(source, env_steps):
            assert line.row is not None
            text, own = write_line(line.row, mark.hash)
            target.write(text.encode())
            mark = LogMark(mark.lines + 1, own)
    return mark


def _too_few(lines: int, mark: LogMark) -> str:
    return f"it has {lines} whole lines, but {mark.lines} were written"
