"""YAML that a folder keeps: plain values and nothing else, read within bounds and written without references."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Any

import yaml

from engram.run_files.bounded_text import MOST_BYTES, read_bounded

# Levels of nesting; a configuration has about six.
MOST_LEVELS = 100
# Bits of a whole number: beyond, it is no number to calculate with.
_MOST_BITS = 1000
_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_SafeDumper: Any = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper


def read_yaml(path: Traversable, most_bytes: int = MOST_BYTES) -> Any:
    """Read plain values from a YAML file that may come from anybody.

    A file that is written here refers to nothing within itself. One that does can stand for itself or for a billion
    values in a few lines, so references are refused before anything is built of them.

    Args:
        path: the file, on disk or in an archive.
        most_bytes: what the file may take.

    Returns:
        None, a bool, a number, text, or lists and mappings of such.

    Raises:
        ValueError: says what is wrong with it, in words that follow "the file is damaged:".
        OSError: if it cannot be read.
    """
    text = read_bounded(path, most_bytes)
    try:
        _check_events(text)
    except yaml.YAMLError as error:
        raise ValueError("it is no YAML of plain values") from error
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError("it is no YAML of plain values") from error
    except ValueError as error:  # digits without end, a thirteenth month
        raise ValueError(f"it holds a value that is none: {error}") from error
    _check_plain(value)
    return value


def yaml_text(value: Any, **arguments: Any) -> str:
    """Write plain values as YAML that `read_yaml` takes: what occurs twice is written twice.

    Args:
        value: nested mappings, lists and plain values.
        **arguments: of `yaml.dump`.
    """
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, **arguments))


class _Dumper(_SafeDumper):
    """Refers to nothing, see `read_yaml`."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _check_events(text: str) -> None:
    """Refuse references and deep nesting while nothing has been built yet.

    Raises:
        ValueError: names what there is.
    """
    level = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(
                f"it refers to another part of itself, *{event.anchor}, which no file of a run does"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        if level > MOST_LEVELS:
            raise ValueError(f"it is nested deeper than {MOST_LEVELS} levels")


def _check_plain(value: Any) -> None:
    """Refuse what YAML knows besides plain values: dates, bytes and sets, and numbers without end.

    Raises:
        ValueError: names what there is.
    """
    if isinstance(value, dict):
        for key, part in value.items():
            _check_plain(key)
            _check_plain(part)
    elif isinstance(value, list):
        for part in value:
            _check_plain(part)
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise ValueError(f"it holds a whole number of more than {_MOST_BITS} bits")
    elif value is not None and not isinstance(value, (bool, int, float, str)):
        raise ValueError(f"it holds a {type(value).__name__}, which is no plain value")
