"""The values of `key=value` words, read and written in one way: Hydra's grammar, for every command."""

from __future__ import annotations

import functools
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

_SPECIAL = ",[]{}'\"\\"


def parse_value(text: str) -> Any:
    """Read the value of a word as training does: `1e3` is a number, `01` and `0x10` are words.

    Args:
        text: what stands after the `=`.

    Returns:
        None, a bool, a number, a string, or a list or dict of such.

    Raises:
        ValueError: if it is no single value of Hydra's grammar, as `a,b` and `a=b` are none.
    """
    override = parse_override(text)
    if override.is_sweep_override():
        raise ValueError(f"An option has one value, but got {text!r}.")
    return override.value()


def parse_override(text: str) -> Override:
    """Read what stands after the `=`, be it one value or several, as Hydra does.

    Raises:
        ValueError: if it is nothing of Hydra's grammar.
    """
    try:
        return _parser().parse_override(f"key={text}")
    except HydraException as error:
        raise ValueError(f"A value is written in Hydra's grammar, but got {text!r}.") from error


def write_value(value: Any) -> str:
    """Write a value so that `parse_value` gives it back, type and all; equal values are written alike."""
    if isinstance(value, QuotedString):
        return write_value(value.text)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(write_value, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{write_value(part)}' for key, part in value.items())}}}"
    if isinstance(value, str):
        return value if _is_plain(value) else QuotedString(value, Quote.single).with_quotes()
    return repr(value)


def normal(text: str) -> str:
    """Write a word's value in one way only: `1e-3` as `0.001`, `"a"` as `a`; what cannot be read stays."""
    try:
        return write_value(parse_value(text))
    except ValueError:
        return text


def _is_plain(text: str) -> bool:
    """Whether a string means itself without quotes, alone and inside a list."""
    try:
        return not set(text) & set(_SPECIAL) and parse_value(text) == text
    except ValueError:
        return False


@functools.cache
def _parser() -> OverridesParser:
    return OverridesParser.create()
