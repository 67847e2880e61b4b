"""Tables whose lines are said as they are measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engram.common.say import say

Columns = Mapping[str, tuple[str, int, str]]


class Table:
    """Says its head when it is made, and keeps the lines that it is given.

    Args:
        columns: key of a line's value → title, width and format; the first is aligned to the left.

    Attributes:
        lines: what was given, in that order.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.lines: list[dict[str, Any]] = []
        self._say([title for title, _, _ in columns.values()])

    def add(self, line: Mapping[str, Any]) -> None:
        """Say a line; None is an empty cell, and what has no column is kept alone."""
        cells = [(line[key], form) for key, (_, _, form) in self.columns.items()]
        self._say(["" if value is None else format(value, form) for value, form in cells])
        self.lines.append(dict(line))

    def _say(self, cells: list[str]) -> None:
        widths = [width for _, width, _ in self.columns.values()]
        rest = "".join(f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
        say(f"{cells[0]:<{widths[0]}}{rest}", flush=True)
