"""The words of a sweep, in Hydra's grammar: which options have several values, and which values these are.

`a,b,c`, `choice(…)`, `range(…)` and `glob(…)` are Hydra's; a range `0..4` with both ends and a bare pattern are ours.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Glob, Quote, QuotedString

from engram.command_line.groups import group_options
from engram.command_line.paths import PATH_OPTIONS
from engram.command_line.words import parse_override, parse_value, write_value
from engram.common.errors import UsageError

PATTERN_GROUPS = ("agent", "core", "env")
_RANGE = re.compile(r"([-+]?\d[\d_]*)\.\.([-+]?\d[\d_]*)")


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
        value: a word `a,b,c`, `choice(a,b)` or `range(0,1,0.1)` of Hydra's, a range `0..4` (both ends included), a
            pattern of names `popgym/*_easy` for `agent`, `core` and `env`, or a list of such from a YAML.

    Returns:
        The values as words, each once; None for a word that is one plain value.

    Raises:
        UsageError: for an empty value, range or pattern, and for an interval, which has no values to be named.
    """
    is_axis = isinstance(value, list)
    values: list[str] = []
    for part in value if isinstance(value, list) else [value]:
        elements, is_sweep = _elements(key, as_word(part))
        is_axis = is_axis or is_sweep
        for element in elements:
            several = _several(key, element)
            is_axis = is_axis or several is not None
            values += [write_value(element)] if several is None else several
    if not is_axis:
        return None
    if not values:
        raise _no_value(key, value)
    once = list(dict.fromkeys(values))
    if len(once) < len(values):
        twice = next(one for one in once if values.count(one) > 1)
        warnings.warn(
            f"{key}={as_word(value)} names {twice} more than once; it is trained once.", stacklevel=2
        )
    return once


def as_word(value: Any) -> str:
    """Write a value of a YAML as it would stand on the command line, where a string is a word."""
    return value if isinstance(value, str) else write_value(value)


def _no_value(key: str, value: Any) -> UsageError:
    return UsageError(
        f"An axis needs a value between any two commas, but got {key}={as_word(value)}; write {key}=a,b or {key}=0..4."
    )


def _elements(key: str, text: str) -> tuple[list[Any], bool]:
    """What Hydra reads, one by one, and whether it is a sweep.

    Text that it cannot read is one value, which whoever composes it refuses.
    """
    try:
        override = parse_override(text)
    except ValueError as error:
        if "," in text and not all(map(str.strip, text.split(","))):
            raise _no_value(key, text) from error
        return [text], False
    if override.is_interval_sweep():
        raise UsageError(
            f"An axis has values one by one, but got {key}={text}; write {key}=a,b, {key}=0..4 or "
            f"{key}=range(<first>,<end>,<step>)."
        )
    value: Any = override.value()
    if override.is_sweep_override() and not isinstance(value, Glob):
        return list(override.sweep_iterator()), True
    return [QuotedString(value, Quote.single) if text.lstrip()[:1] in ("'", '"') else value], False


def _several(key: str, element: Any) -> list[str] | None:
    """The values of a range or a pattern; None for a plain value."""
    if isinstance(element, str) and (found := _RANGE.fullmatch(element)):
        first, last = map(parse_value, found.groups())
        if not isinstance(first, int) or not isinstance(last, int):
            raise UsageError(
                f"A range goes from one whole number to another, written without leading zeros, but got "
                f"{key}={element}; write 0..4, or name the values."
            )
        if last < first:
            raise UsageError(
                f"A range goes from its first to its last value, but got {key}={element}; write {last}..{first}."
            )
        return [str(number) for number in range(first, last + 1)]
    if isinstance(element, str) and "*" in element and key in PATTERN_GROUPS:
        element = Glob([element])
    if not isinstance(element, Glob):
        return None
    names = element.filter(group_options(key)) if key in PATTERN_GROUPS else []
    if not names:
        raise UsageError(
            f"A pattern must fit a name, but {key}={','.join(element.include)} fits none; engram sweep --help all "
            "lists all."
        )
    return names
