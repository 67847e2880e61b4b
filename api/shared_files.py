"""The files of a shared agent, and the folder that they take in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engram.analysis.pairing import EVALUATION_FILE
from engram.common.errors import UsageError
from engram.run_files.names import CARD_FILE, CURVE_FILE, MANIFEST_FILE, TEXT_FILES
from engram.run_files.run_folder import CHECKPOINTS_FOLDER

PAGE_FILE = "README.md"
EVALUATION_FOLDER = "evaluation"
# All that is ever taken of a folder or a repository, whatever else lies there.
FILES = (
    *TEXT_FILES,
    MANIFEST_FILE,
    CARD_FILE,
    PAGE_FILE,
    CURVE_FILE,
    f"{CHECKPOINTS_FOLDER}/latest.safetensors",
    f"{EVALUATION_FOLDER}/{EVALUATION_FILE}",
)


def check_new(option: str, folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        UsageError: names it.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(
            f"An agent gets a folder of its own, but {option} names {str(folder)!r}, which exists; set "
            f"{option}=<a new folder>."
        )


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """Make a folder beside its place; it is there at the block's end, or not at all.

    Args:
        folder: new or empty; the folders above it are made.

    Yields:
        Where it is made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".engram-") as scratch:
        made = Path(scratch) / "agent"
        yield made
        os.replace(made, folder)
