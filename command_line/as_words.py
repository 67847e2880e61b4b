"""Options as Python has them, written as the words of the commands: so both mean the same, to the last error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import gymnasium

from engram.command_line.groups import group_options
from engram.command_line.paths import literal_path
from engram.command_line.words import write_value
from engram.common.errors import UsageError
from engram.envs.given import GivenEnv
from engram.training.building import describe_given

CHOSEN = ("agent", "core", "env")
"""Options that choose something by its name, or by a mapping with a `name` and options of what it names."""
_PLAIN = (bool, int, float, str)


def as_words(options: Mapping[str, Any], chosen: tuple[str, ...] = CHOSEN) -> list[str]:
    """Write options as `key=value` words.

    Args:
        options: by name, dotted (`{"core.hidden_size": 64}`) or nested (`{"core": {"hidden_size": 64}}`).
        chosen: options that may be mappings with the name of what is chosen under `name`.

    Raises:
        UsageError: for a value that no configuration can hold.
    """
    words = []
    for key, value in options.items():
        if key not in chosen:
            words += _leaves(key, value)
            continue
        name, inner = _choice(key, value)
        words += [] if name is None else _named(key, name)
        # What is of the user's own takes options that no YAML lists.
        words += _leaves(key, inner, prefix="++" if name == "custom" else "") if inner else []
    return words


def _choice(key: str, value: Any) -> tuple[str | None, Mapping[str, Any]]:
    """The name of what is chosen, None if none is, and options of it."""
    if isinstance(value, str):
        return value, {}
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{key} must be a name, or a mapping of its options with the name under 'name', but got {value!r}; "
            f"write {key}={{'name': {group_options(key)[0]!r}}} and the options beside it."
        )
    inner = {name: one for name, one in value.items() if name != "name"}
    return value.get("name"), inner


def _named(key: str, name: str) -> list[str]:
    """Choose by a name, or an environment by its id in Gymnasium."""
    is_id = key == "env" and name not in group_options("env") and (":" in name or name in gymnasium.registry)
    return ["env=gymnasium", f"env.id={write_value(name)}"] if is_id else [f"{key}={write_value(name)}"]


def given_words(given: GivenEnv) -> list[str]:
    """The words of an environment that was given as an object or a function, which hold its name alone."""
    choice = "custom" if given.make_one is None else "gymnasium"
    description = describe_given(given)
    own = {key: value for key, value in description.items() if key != "_partial_"}
    return [f"env={choice}", *_leaves("env", own, prefix="++")]


def _leaves(key: str, value: Any, prefix: str = "") -> list[str]:
    """One word for each value in nested mappings."""
    if isinstance(value, Mapping) and value:
        return [word for name, one in value.items() for word in _leaves(f"{key}.{name}", one, prefix)]
    return [f"{prefix}{key}={_written(key, value)}"]


def _written(key: str, value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return literal_path(value)
    return write_value(_plain(key, value))


def _plain(key: str, value: Any) -> Any:
    """A value as configurations hold it: None, a number, a word, or lists and mappings of such."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(key, one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, one) for one in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of NumPy's or torch's
        return value.item()
    raise UsageError(
        f"{key} must be None, a number, a word, or a list or mapping of such, but got {value!r}; write it so."
    )
