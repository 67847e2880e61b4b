"""How the runs of a comparison were configured, for whoever wants to repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engram.analysis.names import training_command
from engram.analysis.runs import Run


def describe_configurations(runs: Sequence[Run], document: dict[str, Any]) -> list[dict[str, Any]]:
    """Describe the configuration, versions and command of the first run of every task and group.

    Args:
        runs: all that were read.
        document: of `compare`.
    """
    by_name = {one.name: one for one in runs}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in document["runs"]:
        key = (row["task"], row["group"])
        if key in found:
            found[key]["seeds"].append(row["seed"])
        else:
            first = by_name[row["folder"]]
            found[key] = {
                "task": row["task"],
                "group": row["group"],
                "seeds": [row["seed"]],
                "command": training_command(first),
                "config": first.config,
                "versions": first.versions,
            }
    return list(found.values())
