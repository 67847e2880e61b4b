"""The lines of `metrics.jsonl`: JSON objects, each with a hash of itself and of the line before it.

A line that was edited, lost or moved is named by its number. Lines of runs of before have no hashes; of one file all
lines have them, or none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from engram.run_files.json_text import json_text

Row = dict[str, Any]
HASH = "hash"
_DIGITS = 16
_HASH_AT_END = re.compile(rb', "hash": "([0-9a-f]{%d})"\}$' % _DIGITS)


class LogMark(NamedTuple):
    """How much of a log there was at some moment.

    Attributes:
        lines: their number.
        hash: of the last one; empty if there is none.
    """

    lines: int = 0
    hash: str = ""


NOTHING_LOGGED = LogMark()


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read.

    Attributes:
        row: its content without the hash; None if it is no JSON object.
        hash: as it stands there; empty if there is none.
        problem: why it is not what was written, or None.
        end: bytes of the file up to the end of this line.
    """

    row: Row | None
    hash: str
    problem: str | None
    end: int


def write_line(row: Mapping[str, Any], previous: str) -> tuple[str, str]:
    """Write a line.

    Args:
        row: not empty; numbers that are not finite become null.
        previous: hash of the line before; empty for the first.

    Returns:
        The line with its end, and its hash.
    """
    body = json_text(row)[:-1]
    own = _hash(previous, body.encode())
    return f'{body}, "{HASH}": "{own}"}}\n', own


def read_lines(file: Iterable[bytes]) -> Iterator[Line]:
    """Read a log line by line, and hold each against its hash.

    Args:
        file: lines, as a binary file gives them, from the first.
    """
    previous, end = "", 0
    is_hashed: bool | None = None
    for raw in file:
        end += len(raw)
        text = raw.rstrip(b"\r\n")
        row, problem = parse_line(text)
        found = _HASH_AT_END.search(text)
        own = found[1].decode() if found is not None else ""
        if row is not None:
            is_hashed = bool(own) if is_hashed is None else is_hashed
            if bool(own) != is_hashed:
                problem = "has a hash, but lines before it have none" if own else "has no hash"
            elif found is not None and own != _hash(previous, text[: found.start()]):
                problem = "is not what was written after the line before it"
        previous = own
        yield Line(row, own, problem, end)


def parse_line(text: bytes) -> tuple[Row | None, str | None]:
    """Give a line's row without its hash, or say why it is none; whether the hash fits is not looked at."""
    try:
        row = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None, "is not JSON in UTF-8"
    if not isinstance(row, dict):
        return None, "is no JSON object"
    row.pop(HASH, None)
    return row, None


def _hash(previous: str, body: bytes) -> str:
    return hashlib.sha256(previous.encode() + body).hexdigest()[:_DIGITS]
