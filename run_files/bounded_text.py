"""Small text files that may come from anybody, read no further than they should be long."""

from __future__ import annotations

import json
from importlib.resources.abc import Traversable
from typing import Any

# A run's configuration takes three thousand bytes, its other small files less.
MOST_BYTES = 1 << 20


def read_bounded(path: Traversable, most_bytes: int = MOST_BYTES) -> str:
    """Read a text file.

    Args:
        path: the file, on disk or in an archive.
        most_bytes: what it may take.

    Raises:
        ValueError: if it is longer, or no UTF-8; says so in words that follow "the file is damaged:".
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it holds more than {most_bytes:,} bytes")
    try:
        return str(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8") from error


def read_mapping(path: Traversable) -> dict[str, Any]:
    """Read a JSON file that holds a mapping.

    Raises:
        ValueError: names a file that does not.
        OSError: if it cannot be read.
    """
    try:
        text = read_bounded(path)
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:  # the second where it is nested without end
        raise ValueError(f"{path.name} is damaged: it is no JSON") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is damaged: it holds no mapping")
    return found
