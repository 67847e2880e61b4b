"""What a run is called by: the options that were chosen for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engram.common.printable import short_name
from engram.envs.table import TASKS
from engram.run_files.former_names import FORMER_CHOICES
from engram.run_files.run_command import RunCommand


def chosen_option(
    group: str, description: Mapping[str, Any], command: RunCommand | None, folder: str | Path
) -> str:
    """Name what a run was made with: an option as it was chosen, an environment by its own name or id.

    A class of the user's own goes by its name.

    Args:
        group: `agent`, `core` or `env`.
        description: of the object, in the run's configuration.
        command: what the run was asked for; None for runs that were made before this was stored.
        folder: of the run.
    """
    kind = str(description["_target_"]).rpartition(".")[2]
    if group == "env":
        name = str(description.get("name"))
        if description.get("id") or name in TASKS:
            return short_name(description.get("id") or name)
    choices = _former_choices(kind, folder) if command is None else command.choices
    option = choices.get(group, "custom")
    return short_name(_snake_case(kind) if option == "custom" else option)


def _former_choices(env_kind: str, folder: str | Path) -> dict[str, str]:
    """What was chosen for a run of before, whose folder is `<agent>-<core>/<run>`, and whose environment a class."""
    agent, _, core = Path(folder).absolute().parent.name.partition("-")
    env = next((name for name, task in TASKS.items() if task.native and task.native.__name__ == env_kind), "")
    found = {
        group: option
        for group, option in (("agent", agent), ("core", core))
        if option in FORMER_CHOICES[group]
    }
    return found | ({"env": env} if env else {})


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
