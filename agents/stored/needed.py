"""Which packages beside Engram's own a stored agent builds something of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engram.agents.stored.build import check_description
from engram.agents.stored.names import OWN_PACKAGE
from engram.common.ids import foreign_package
from engram.common.wrapper_names import wrapper_packages


def needed_packages(config: Mapping[str, Any]) -> list[str]:
    """Name the packages that whoever reads a configuration must allow; nothing of it is imported.

    Args:
        config: with `agent`, `core` and, if it has one, `env`.

    Returns:
        Their names in order of the alphabet.

    Raises:
        ValueError: if it is no description.
    """
    found = set()
    for target, _ in check_description({key: config.get(key, {}) for key in ("agent", "core", "env")}):
        found.add(target.partition(".")[0])
    env = config.get("env", {})
    if isinstance(env.get("id"), str):
        found.add(foreign_package(env["id"]) or OWN_PACKAGE)
    wrappers = env.get("wrappers")
    found.update(wrapper_packages(wrappers) if isinstance(wrappers, list) else ())
    return sorted(found - {OWN_PACKAGE})
