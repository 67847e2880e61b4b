"""Descriptions of what was made in Python: what `engram.agents.stored.build` makes the same of again."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from engram.agents.stored.names import OWN_PACKAGE, package_of, public_name
from engram.common.errors import UsageError

_PLAIN = (bool, int, float, str, type(None))


def describe(made: Any, name: str) -> Any:
    """Describe a class, a `functools.partial` of one, settings, or plain values in mappings and lists.

    Args:
        made: what is to be described.
        name: of the option that it is, for the message.

    Returns:
        Plain values; a class or partial is a mapping with `_target_` and `_partial_`.

    Raises:
        UsageError: if it is none of these, or of a class that cannot be imported by its name.
    """
    if isinstance(made, _PLAIN):
        return made
    if isinstance(made, functools.partial):
        if made.args:
            raise UsageError(
                f"A partial that is stored must have all its arguments by name, but {name} has {made.args!r} without "
                "one; name them."
            )
        return {**_target(made.func, name), **describe(made.keywords, name)}
    if inspect.isclass(made) or inspect.isroutine(made):
        return _target(made, name)
    if dataclasses.is_dataclass(made):
        made = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    if isinstance(made, Mapping):
        return {str(key): describe(value, f"{name}.{key}") for key, value in made.items()}
    if isinstance(made, list | tuple):
        return [describe(value, name) for value in made]
    raise UsageError(
        f"What is stored must be plain values, or classes and functools.partial of them, but {name} is {made!r}; give "
        "it as one of these."
    )


def packages_of(description: Any) -> list[str]:
    """The packages other than Engram that a description names, which whoever builds it must allow."""
    found = (target.partition(".")[0] for target in _targets(description))
    return [package for package in dict.fromkeys(found) if package != OWN_PACKAGE]


def _target(made: Any, name: str) -> dict[str, Any]:
    is_own = package_of(made) == OWN_PACKAGE
    is_public = inspect.isclass(made) and not made.__name__.startswith("_")
    target = public_name(made) if is_own and is_public else None
    if not is_own and made.__module__ != "__main__" and "<" not in made.__qualname__:
        target = f"{made.__module__}.{made.__qualname__}"
    if target is None:
        raise UsageError(
            f"What is stored must be of a class that can be imported by its name, but {name} is {made!r}; put it at "
            "the top of a module that can be imported."
        )
    return {"_target_": target, "_partial_": True}


def _targets(description: Any) -> Iterator[str]:
    if isinstance(description, Mapping):
        if "_target_" in description:
            yield description["_target_"]
        for value in description.values():
            yield from _targets(value)
    elif isinstance(description, list):
        for value in description:
            yield from _targets(value)
