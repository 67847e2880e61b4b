"""What an instrument has found: sentences, a table and figures, as every instrument hands them on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Draw = Callable[[Path], Path]
"""Draws a figure to a path, and returns it."""


@dataclass(frozen=True)
class Finding:
    """One instrument's result.

    Attributes:
        name: of the instrument, and of its files.
        title: of its section.
        sentences: what was found, for people.
        table: rows of its CSV, each with the same columns.
        values: JSON values, for `analysis.json`.
        figures: how each file `<name>.png` or `.gif` is drawn.
        more_tables: further CSVs, by their names.
    """

    name: str
    title: str
    sentences: Sequence[str]
    table: Sequence[Mapping[str, Any]] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Draw] = field(default_factory=dict)
    more_tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
