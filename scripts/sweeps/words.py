"""Reading the words of a sweep: which options are axes, and what values they take."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Sequence
from typing import Any

from scripts.config import group_options
from scripts.errors import UsageError

PATTERN_GROUPS = ("agent", "core", "env")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_WHOLE = re.compile(r"[-+]?\d[\d_]*")
_REAL = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d+)([eE][-+]?\d+)?")
_OPENING, _CLOSING = "[{(", "]})"


def split_words(words: Sequence[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Part a command's `key=value` words into plain options and axes.

    Args:
        words: such as `agent=ppo`, `core=lstm,gru`, `seed=0..4`.

    Returns:
        Values of the options that have one, and of those that have several, by key as it was written.

    Raises:
        UsageError: for a word without `=`, or an empty value among several.
    """
    options: dict[str, str] = {}
    axes: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip("+"):
            raise UsageError(f"An option is written key=value, but got {word!r}; --help lists all options.")
        values = axis_values(key, value)
        if values is None:
            options[key] = value
            axes.pop(key, None)
        else:
            axes[key] = values
            options.pop(key, None)
    return options, axes


def axis_values(key: str, value: Any) -> list[str] | None:
    """Read the values of an axis.

    Args:
        key: the option.
        value: a word `a,b,c`, a range `0..4` (both ends included), a pattern of names `popgym/*_easy` for `agent`,
            `core` and `env`, or a list of such from a YAML.

    Returns:
        The values as words, each once; None for a word that is one plain value.

    Raises:
        UsageError: for an empty value, range or pattern.
    """
    parts = [as_word(part) for part in value] if isinstance(value, list) else _split(as_word(value))
    is_axis = isinstance(value, list) or len(parts) > 1
    values: list[str] = []
    for part in parts:
        expanded = _expand(key, part.strip())
        is_axis = is_axis or expanded is not None
        values += [normal(part.strip())] if expanded is None else expanded
    if is_axis and (not values or "" in values):
        raise UsageError(
            f"An axis needs a value between any two commas, but got {key}={value}; write {key}=a,b or {key}=0..4."
        )
    return list(dict.fromkeys(values)) if is_axis else None


def as_word(value: Any) -> str:
    """Write a value of a YAML as it would stand on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def normal(word: str) -> str:
    """Write a number in one way only, so that 1e-3 and 0.001 are the same value; other words stay."""
    if _WHOLE.fullmatch(word):
        return str(int(word))
    if _REAL.fullmatch(word):
        return repr(float(word))
    return word


def _expand(key: str, part: str) -> list[str] | None:
    """The values of a range or a pattern; None for a plain value."""
    found = _RANGE.fullmatch(part)
    if found:
        first, last = int(found[1]), int(found[2])
        if last < first:
            raise UsageError(
                f"A range goes from its first to its last value, but got {key}={part}; write {last}..{first}."
            )
        return [str(number) for number in range(first, last + 1)]
    if "*" in part and key in PATTERN_GROUPS:
        names = fnmatch.filter(group_options(key), part)
        if not names:
            raise UsageError(
                f"A pattern must fit a name, but {key}={part} fits none; python -m scripts.sweep --help lists all."
            )
        return names
    return None


def _split(text: str) -> list[str]:
    """Split at the commas that lie outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character in _OPENING) - (character in _CLOSING)
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts
