"""How wrappers of Gymnasium environments are named in options, and of which packages they are; nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def wrapper_parts(given: Any) -> tuple[str, dict[str, Any]]:
    """Read one entry of `wrappers`: a name, or a mapping of one name to the wrapper's options.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(given, str) and given:
        return given, {}
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, options),) = given.items()
        if isinstance(name, str) and isinstance(options, Mapping | None):
            return name, dict(options or {})
    raise ValueError(
        "A wrapper must be given by its name, or as {name: {option: value}}, but got "
        f"{given!r}; write env.wrappers=[FlattenObservation,{{TimeLimit:{{max_episode_steps:100}}}}]."
    )


def wrapper_packages(wrappers: Sequence[Any]) -> list[str]:
    """The packages, other than Gymnasium, of which wrappers run code."""
    names = [wrapper_parts(given)[0] for given in wrappers]
    packages = [name.partition(".")[0] for name in names if "." in name]
    return [package for package in dict.fromkeys(packages) if package != "gymnasium"]
