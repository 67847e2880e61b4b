"""Nested mappings, flat: every value by one name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def dotted(node: Mapping[Any, Any], prefix: str = "", separator: str = ".") -> dict[str, Any]:
    """List the values of nested mappings, TensorDicts among them, by their keys joined to one name.

    Args:
        node: not changed.
        prefix: before every name.
        separator: between the keys.

    Returns:
        The values in order. Lists and, below the top, empty mappings are values.
    """
    found: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        inner = dotted(value, f"{name}{separator}", separator) if isinstance(value, Mapping) else {}
        found |= inner or {name: value}
    return found


def merged(node: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings with other values put over theirs, neither of them changed.

    Args:
        node: what is there.
        given: rules over it, inside of the mappings that both have.
    """
    both = dict(node)
    for key, value in given.items():
        inside = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = merged(both[key], value) if inside else value
    return both
