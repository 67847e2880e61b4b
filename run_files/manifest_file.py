"""`manifest.json` itself: what it holds, read and written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from engram.run_files.bounded_text import read_bounded
from engram.run_files.json_text import json_text
from engram.run_files.metric_lines import NOTHING_LOGGED, LogMark
from engram.run_files.names import MANIFEST_FILE
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import EditedFileError, check_seal, sealed

FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """What a run's folder holds.

    Attributes:
        files: name of a text file → the SHA-256 that it may have.
        metrics: how much of the log there is at least.
        edited: names of files that were edited and taken as they were.
    """

    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    metrics: LogMark = NOTHING_LOGGED
    edited: tuple[str, ...] = ()


def read_manifest(folder: Traversable) -> Manifest | None:
    """Read a run's manifest.

    Args:
        folder: the run's, on disk or in an archive.

    Returns:
        None for a run that was made before there were any.

    Raises:
        EditedFileError: if it is damaged.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        stored = check_seal(json.loads(read_bounded(path)), str(path))
        if stored["format"] != FORMAT:
            raise EditedFileError(
                f"A run's {MANIFEST_FILE} has format {FORMAT}, but {path} has {stored['format']!r}; read it with the "
                "version that wrote it."
            )
        files = {str(name): tuple(map(str, hashes)) for name, hashes in stored["files"].items()}
        mark = LogMark(int(stored["metrics"]["lines"]), str(stored["metrics"]["hash"]))
        return Manifest(files, mark, tuple(map(str, stored["edited"])))
    except EditedFileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EditedFileError(
            f"A run's {MANIFEST_FILE} holds hashes of its files, but {path} does not: it is damaged; put the original "
            "back, or take the run as it is with trust_edited=true."
        ) from error


def manifest_text(manifest: Manifest) -> str:
    """What the file holds."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "files": {name: list(hashes) for name, hashes in manifest.files.items()},
        "metrics": manifest.metrics._asdict(),
        "edited": list(manifest.edited),
    }
    return json_text(sealed(document), indent=1) + "\n"


def text_hash(text: str | bytes) -> str:
    """The hash of a file that holds a text."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def write_manifest(run_dir: Path, manifest: Manifest) -> None:
    """Replace a run's manifest in one step."""
    replace_file(run_dir / MANIFEST_FILE, manifest_text(manifest))
