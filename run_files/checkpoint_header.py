"""The header of a checkpoint's file: its JSON values, the number of the format, and who wrote it."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Checkpoints of before had no number; what they hold is the same.
FORMAT = 1


class DamagedCheckpointError(ValueError):
    """A checkpoint file that cannot be read or whose checksum is wrong."""


class LaterFormatError(ValueError):
    """A checkpoint that a later version wrote in another way; the one before it is no answer to that."""


def make_header(values: str) -> dict[str, str]:
    """The header of a checkpoint with these values, JSON, but for its checksum."""
    return {"values": values, "format": str(FORMAT), "version": _version()}


def _version() -> str:
    try:
        return importlib.metadata.version("engram-rl")
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def check_format(path: Path, header: Mapping[str, str]) -> None:
    """Refuse what a later version wrote."""
    number = header.get("format", str(FORMAT))
    if number.isdecimal() and int(number) > FORMAT:
        raise LaterFormatError(
            f"A checkpoint has at most format {FORMAT} here, but {path} has {number}, which engram-rl "
            f"{header.get('version', 'of unknown version')} wrote; read it with that version."
        )
    if number != str(FORMAT):
        raise DamagedCheckpointError(
            f"The checkpoint {path} is damaged: its format is no number of at least 1, but {number[:40]!r}."
        )


def parsed(path: Path, header: Mapping[str, str]) -> dict[str, Any]:
    """The header's JSON values.

    Raises:
        DamagedCheckpointError: if they are none, or no object, or one name stands for two.
    """
    try:
        values = json.loads(header["values"], object_pairs_hook=_distinct)
    except (ValueError, KeyError, RecursionError) as error:
        raise DamagedCheckpointError(
            f"The checkpoint {path} is damaged: its values are no JSON ({words(error)})."
        ) from error
    if not isinstance(values, dict):
        raise DamagedCheckpointError(f"The checkpoint {path} is damaged: its values are no JSON object.")
    return values


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def words(error: Exception) -> str:
    """What an error says, short and in one line."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def signed(header: Mapping[str, str]) -> str:
    """What of the header the checksum is of; before there was a number, the values alone."""
    values = header.get("values", "")
    if "format" not in header:
        return values
    return f"{header['format']} {header.get('version', '')}\n{values}"
