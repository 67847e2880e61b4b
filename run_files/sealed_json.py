"""JSON and YAML files that hold a checksum of themselves, so that one that was edited or damaged is noticed and named.

This detects accidents, not forgery: whoever can write the file can write the checksum.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engram.run_files.json_text import json_text

CHECKSUM = "checksum"


class EditedFileError(ValueError):
    """A file is not what was written: it was edited or damaged since."""


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Add a checksum to a document.

    Args:
        document: JSON values; numbers that are not finite become null.

    Returns:
        The same with `checksum` as its last key.
    """
    plain = json.loads(json_text(document))
    return {**plain, CHECKSUM: digest(plain)}


def check_seal(document: Mapping[str, Any], path: Path | str, trust_edited: bool = False) -> dict[str, Any]:
    """Hold a document against its checksum.

    Args:
        document: as it was read; one of before has no checksum and is taken as it is.
        path: of its file, for the message.
        trust_edited: take an edited one with a warning.

    Returns:
        The document without its checksum.

    Raises:
        EditedFileError: if it is not what was written.
    """
    rest = {key: value for key, value in document.items() if key != CHECKSUM}
    if CHECKSUM in document and document[CHECKSUM] != digest(rest):
        refuse_edited(
            f"{path} was edited or damaged since: its checksum does not fit its content", trust_edited
        )
    return rest


def refuse_edited(what: str, trust_edited: bool) -> None:
    """Say what was edited.

    Args:
        what: which file is not as it was written, and how that is known; no full stop.
        trust_edited: warn only.

    Raises:
        EditedFileError: unless it is trusted.
    """
    if trust_edited:
        warnings.warn(f"{what}; it is taken as it is, because trust_edited is given.", stacklevel=3)
        return
    raise EditedFileError(
        f"A result stays as it was written, but {what}; put the original back, or take it as it is with "
        "trust_edited=true."
    )


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a document; empty for one that has none, as it was never written here."""
    try:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):  # keys of several kinds, what is no plain value
        return ""
    return hashlib.sha256(text.encode()).hexdigest()
