"""Building objects from plain descriptions, and only from packages that are allowed.

A description is a mapping with a `_target_` (`package.Name`), optionally `_partial_: true`, and keyword
arguments, which may be descriptions themselves. A stored run can therefore never make the reader run code
that is not Engram's own, or that the reader did not name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from agents.arguments import fit_arguments

OWN_PACKAGES = ("agents", "envs", "memory_cores")


def build(description: Any, allow: Sequence[str] = ()) -> Any:
    """Build what `description` says, from the inside out.

    Args:
        description: a mapping with `_target_`, or any nesting of mappings, lists and plain values.
        allow: further top-level packages whose classes may be built.

    Returns:
        The object; with `_partial_`, a `functools.partial` of its constructor.

    Raises:
        ValueError: if a target is not allowed, does not exist, or does not take an argument given to it.
    """
    if isinstance(description, Mapping):
        arguments = {key: build(value, allow) for key, value in description.items() if not _is_directive(key)}
        if "_target_" not in description:
            return arguments
        target = str(description["_target_"])
        factory = find_target(target, allow)
        arguments = fit_arguments(factory, arguments, target)
        if description.get("_partial_", False):
            return functools.partial(factory, **arguments)
        return factory(**arguments)
    if isinstance(description, list | tuple):
        return [build(value, allow) for value in description]
    return description


def find_target(target: str, allow: Sequence[str] = ()) -> Any:
    """Find the class or function that a `_target_` names.

    Args:
        target: `package.Name` or `package.module.Name`.
        allow: further allowed top-level packages.

    Raises:
        ValueError: if it is not defined in an allowed package, or not at all.
    """
    if isinstance(allow, str):
        raise ValueError(
            f"allow must be a list of package names, but got {allow!r}; write allow=[{allow!r}]."
        )
    allowed = (*OWN_PACKAGES, *allow)
    refusal = (
        f"A _target_ must be defined in one of the packages {', '.join(allowed)}, but got {target!r}; "
        "to use a package of your own, name it yourself: allow=[my_package]."
    )
    module_name, _, name = target.rpartition(".")
    if module_name.split(".")[0] not in allowed:
        raise ValueError(refusal)
    module = _import(module_name, target)
    if not hasattr(module, name):
        raise ValueError(
            f"A _target_ must exist, but {target!r} does not: {module_name} defines no {name!r}; correct the name."
        )
    found = getattr(module, name)
    # An allowed module also holds what it imports; only what it defines itself may be built.
    if not callable(found) or getattr(found, "__module__", "").split(".")[0] not in allowed:
        raise ValueError(refusal)
    return found


def _import(module_name: str, target: str) -> Any:
    """Import a module; an error inside of it is its own, and stays as it is."""
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"A _target_ must exist, but {target!r} cannot be found: there is no module {error.name!r}; correct the "
            "name, or go to the folder it lies in."
        ) from error


def _is_directive(key: str) -> bool:
    return key in ("_target_", "_partial_")
