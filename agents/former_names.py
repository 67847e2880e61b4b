"""Names that runs of before stored otherwise: until version 0.2 the packages below `engram` stood at the top."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Any

from engram.agents.bounded_text import read_mapping
from engram.agents.run_files import VERSIONS_FILE

_FORMER_PACKAGES = ("agents", "envs", "memory_cores")


def is_of_before(run_dir: Traversable) -> bool:
    """Whether a run was begun by a version that named the packages at the top; false where it does not say."""
    path = run_dir / VERSIONS_FILE
    try:
        version = read_mapping(path).get("engram-rl") if path.is_file() else None
    except (OSError, ValueError):
        return False  # it is for whoever needs the versions to say so
    return isinstance(version, str) and version.startswith("0.1.")


def with_present_names(node: Any) -> Any:
    """A stored description with the present name of every `_target_` of Engram's own.

    Args:
        node: nested mappings, lists and plain values; not changed.
    """
    if isinstance(node, list):
        return [with_present_names(part) for part in node]
    if not isinstance(node, dict):
        return node
    named = {key: with_present_names(part) for key, part in node.items()}
    target = named.get("_target_")
    if isinstance(target, str) and target.partition(".")[0] in _FORMER_PACKAGES:
        named["_target_"] = f"engram.{target}"
    return named
