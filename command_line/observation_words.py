"""How observations are read, `image_layout=…` and `leaves.<key>=…`, wherever the agent keeps these options.

They are set after everything else, by themselves: a key may hold any character, which Hydra's grammar does not allow.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from engram.command_line.words import parse_value
from engram.common.errors import UsageError

_WORD = re.compile(
    r"\+*(?P<path>agent\.(?:\w+\.)*?)?(?P<name>image_layout|leaves)(?P<key>\..+)?=(?P<value>.*)", re.S
)


def is_observation_word(word: str) -> bool:
    """Whether a `key=value` word says how observations are read, by its short or its full name."""
    return _WORD.fullmatch(word) is not None


def set_readings(values: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Set what such words say in a composed configuration.

    Args:
        values: plain values of the configuration.
        words: `leaves.<key>=<reading>`, `leaves={<key>: <reading>}` and `image_layout=<layout>`, maybe with the path of
            the mapping that holds the option before them.

    Raises:
        UsageError: if no agent is configured there that has such options, or a mapping is not written as one.
    """
    changed = copy.deepcopy(dict(values))
    for word in words:
        match = _WORD.fullmatch(word)
        assert match is not None
        name, key, value = match["name"], match["key"], match["value"]
        options = _holder(changed, match["path"], is_added=word.startswith("+"))
        if options is None:
            raise UsageError(
                f"How observations are read is an option of agents that have {name!r}, but {word!r} was given where "
                "there is none; leave it out, or name the option of your own agent in full."
            )
        if name == "image_layout":
            options[name] = value
        else:
            given = {key[1:]: value} if key else _mapping(word, value)
            options[name] = {**options.get(name, {}), **given} if key else given
    return changed


def _holder(values: dict[str, Any], path: str | None, is_added: bool) -> dict[str, Any] | None:
    """The mapping that holds `leaves`, or gets it where the word has a plus: at a path, or the agent's only one."""
    if path is None:
        return _find(values.get("agent"))
    node: Any = values
    for name in path.split(".")[:-1]:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) and (is_added or "leaves" in node) else None


def _find(node: Any) -> dict[str, Any] | None:
    if not isinstance(node, dict):
        return None
    if "leaves" in node:
        return node
    return next((found for value in node.values() if (found := _find(value)) is not None), None)


def _mapping(word: str, text: str) -> dict[str, Any]:
    try:
        value = parse_value(text)
    except ValueError:  # a key that Hydra's grammar does not allow, in quotes
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = None
    if not isinstance(value, dict):
        raise UsageError(
            "How parts of the observation are read is said by key, leaves.<key>=vector or leaves={<key>: vector}, but "
            f"got {word!r}; name the key (obs, if the observation is no Dict)."
        )
    return {str(key): reading for key, reading in value.items()}
