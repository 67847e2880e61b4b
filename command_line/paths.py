"""Options that are paths: any name a file can have is written as it is, and `~` is the home folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engram.command_line.words import parse_value, write_value
from engram.common.errors import UsageError

# Of all commands, by dotted name.
PATH_OPTIONS = (
    "logging.runs_dir",
    "logging.run_dir",
    "resume",
    "config",
    "sweep.dir",
    "run",
    "runs",
    "archives",
    "submission",
    "against",
    "output",
    "plot",
    "folder",
    "to",
    "from",
)
# Those of them that may be lists of paths.
LIST_OPTIONS = ("runs", "archives", "submission")


def expand(path: str) -> str:
    """Put the home folder in the place of a leading `~` or `~name`.

    Raises:
        UsageError: if there is no such user.
    """
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as error:
        raise UsageError(
            f"A path may begin with ~, the home folder, but {path!r} has none ({error}); write ./~… for a name "
            "that begins so."
        ) from error


def read_path(text: str) -> Path:
    """Read a path as the value of a word has it.

    Raises:
        UsageError: see `expand`.
    """
    return Path(expand(str(_read(text, may_be_list=False))))


def literal_path(path: str) -> str:
    """Write a path as the value of a word, in which nothing stands for anything else, as `${…}` would."""
    return write_value(re.sub(r"(\\*)\$\{", r"\1\1\\${", path))


def quote_paths(words: Sequence[str]) -> list[str]:
    """Quote the values of path options that Hydra's grammar would refuse or misread, such as `~/x`, `a=b` or `2024`.

    Args:
        words: `key=value`.

    Returns:
        The words, the others as they were.
    """
    return [_quoted(word) for word in words]


def expand_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Expand every path option in a composed configuration.

    Args:
        values: nested; not changed.

    Raises:
        UsageError: see `expand`.
    """
    return _expanded(values, "")


def _quoted(word: str) -> str:
    key, equals, text = word.partition("=")
    if not equals or key.lstrip("+") not in PATH_OPTIONS:
        return word
    return f"{key}={write_value(_read(text, key.lstrip('+') in LIST_OPTIONS))}"


def _read(text: str, may_be_list: bool) -> str | list[Any] | None:
    """A path, null or, for options that take one, a list of paths; what is neither, nor quoted, is a path as it stands.

    So a backslash is one, and a space at the end belongs to the name.
    """
    if text == "null":
        return None
    if text[:1] in ("'", '"') or (may_be_list and text[:1] == "["):
        with suppress(ValueError):
            value = parse_value(text)
            if isinstance(value, str | list):
                return value
    if may_be_list and text.startswith("[") and text.endswith("]"):
        return [_read(part.strip(), may_be_list=False) for part in text[1:-1].split(",")]
    return text


def _expanded(node: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found[key] = _expanded(value, f"{name}.")
        elif name in PATH_OPTIONS and isinstance(value, list):
            found[key] = [expand(part) if isinstance(part, str) else part for part in value]
        else:
            found[key] = expand(value) if name in PATH_OPTIONS and isinstance(value, str) else value
    return found
