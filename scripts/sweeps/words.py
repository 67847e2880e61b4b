"""Reading the words of a sweep: which options are axes, and what values they take."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Sequence
from typing import Any

from engram.common.errors import UsageError
from engram.scripts.command_line.groups import group_options
from engram.scripts.command_line.paths import PATH_OPTIONS
from engram.scripts.command_line.words import normal, parse_value, write_value

PATTERN_GROUPS = ("agent", "core", "env")
_RANGE = re.compile(r"([-+]?\d[\d_]*)\.\.([-+]?\d[\d_]*)")
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
            raise UsageError(
                f"An option is written key=value, but got {word!r}; --help all lists all options."
            )
        # A path is one value, whatever is in its name.
        values = None if key.lstrip("+") in PATH_OPTIONS else axis_values(key, value)
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
    if not is_axis:
        return None
    once = list(dict.fromkeys(values))
    if len(once) < len(values):
        twice = next(value for value in once if values.count(value) > 1)
        warnings.warn(
            f"{key}={_shown(value)} names {twice} more than once; it is trained once.", stacklevel=2
        )
    return once


def as_word(value: Any) -> str:
    """Write a value of a YAML as it would stand on the command line, where a string is a word."""
    return value if isinstance(value, str) else write_value(value)


def _shown(value: Any) -> str:
    return ",".join(map(as_word, value)) if isinstance(value, list) else as_word(value)


def _expand(key: str, part: str) -> list[str] | None:
    """The values of a range or a pattern; None for a plain value."""
    found = _RANGE.fullmatch(part)
    if found:
        first, last = (parse_value(end) for end in found.groups())
        if not isinstance(first, int) or not isinstance(last, int):
            raise UsageError(
                f"A range goes from one whole number to another, written without leading zeros, but got {key}={part}; "
                "write 0..4, or name the values."
            )
        if last < first:
            raise UsageError(
                f"A range goes from its first to its last value, but got {key}={part}; write {last}..{first}."
            )
        return [str(number) for number in range(first, last + 1)]
    if "*" in part and key in PATTERN_GROUPS:
        names = fnmatch.filter(group_options(key), part)
        if not names:
            raise UsageError(
                f"A pattern must fit a name, but {key}={part} fits none; engram sweep --help all lists all."
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
