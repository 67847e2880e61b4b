"""The names by which descriptions know classes and functions."""

from __future__ import annotations

import importlib
from typing import Any

OWN_PACKAGE = "engram"


def package_of(found: Any) -> str:
    """The top-level package that defines a class or function; empty for what says none."""
    return str(getattr(found, "__module__", None) or "").partition(".")[0]


def public_name(found: Any) -> str | None:
    """Name a class or function of Engram's as a description does.

    Returns:
        `engram.package.Name` where that offers it, else with the module that defines it; None if neither has it.
    """
    name = found.__name__
    for module in (".".join(found.__module__.split(".")[:2]), found.__module__):
        if getattr(importlib.import_module(module), name, None) is found:
            return f"{module}.{name}"
    return None
