"""`seeds.yaml` in the common folder of several seeds: which they are, and the words they are trained by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.common.errors import UsageError
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import CHECKSUM, check_seal, digest
from engram.run_files.stored_yaml import read_yaml, yaml_text

SEEDS_FILE = "seeds.yaml"
_ABOVE = "# Written by engram train seeds=…; resume=<this folder> continues all of its runs.\n"


@dataclass(frozen=True)
class StoredSeeds:
    """What a common folder was made for.

    Attributes:
        first: the first seed.
        count: how many.
        words: `key=value` of every run, but for its seed, and for what only a command may say.
    """

    first: int
    count: int
    words: Sequence[str]


def write_seeds(directory: Path, stored: StoredSeeds) -> None:
    """Write the file in one step; it gets a checksum."""
    content = {"first": stored.first, "count": stored.count, "words": list(stored.words)}
    text = yaml_text({**content, CHECKSUM: digest(content)}, width=10_000)
    replace_file(directory / SEEDS_FILE, _ABOVE + text)


def read_seeds(directory: Path, trust_edited: bool = False) -> StoredSeeds:
    """Read the file.

    Args:
        directory: the common folder.
        trust_edited: take one that was edited, with a warning.

    Raises:
        UsageError: if it is damaged.
        EditedFileError: if it is not what was written.
    """
    path = directory / SEEDS_FILE
    try:
        content = read_yaml(path)
        if not _is_whole(content):
            raise ValueError
    except ValueError as error:
        raise UsageError(
            f"A {SEEDS_FILE} holds the first seed, how many there are and their options, but {path} does not; it is "
            f"damaged: put the original back, or continue the runs in {directory} one by one."
        ) from error
    check_seal(content, path, trust_edited)
    return StoredSeeds(content["first"], content["count"], content["words"])


def _is_whole(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    first, count, words = (content.get(name) for name in ("first", "count", "words"))
    are_whole = all(type(number) is int and number >= 0 for number in (first, count))
    return are_whole and isinstance(words, list) and all(isinstance(word, str) for word in words)
