"""What a run was asked for: its command's words and the options chosen, kept in its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from engram.common.printable import short_name
from engram.envs.table import TASKS
from engram.run_files.bounded_text import read_mapping
from engram.run_files.json_text import json_text
from engram.run_files.names import COMMAND_FILE
from engram.scripts.command_line.groups import group_options

# Where a run was kept, and which one was continued, is no part of what it is.
_OF_THE_PLACE = ("logging.run_dir", "resume")


@dataclass(frozen=True)
class RunCommand:
    """What a run was asked for.

    Attributes:
        words: `key=value`, as given, unquoted.
        choices: config group → chosen option (`agent` → `r2i`); groups without a choice are left out.
    """

    words: Sequence[str]
    choices: Mapping[str, str]


def asked_for(words: Sequence[str], choices: Mapping[str, str]) -> RunCommand:
    """Read what a run is asked for.

    Args:
        words: of its command; those that only say where it is kept are left out.
        choices: config group → chosen option, `None` as text where there is none.
    """
    kept = [word for word in words if word.lstrip("+").partition("=")[0] not in _OF_THE_PLACE]
    chosen = {group: option for group, option in choices.items() if option != "None"}
    return RunCommand(kept, chosen)


def command_text(command: RunCommand) -> str:
    """What the file holds."""
    return json_text({"words": list(command.words), "choices": dict(command.choices)}, indent=1) + "\n"


def read_command(run_dir: Traversable) -> RunCommand | None:
    """Read what a run was asked for.

    Args:
        run_dir: its folder, on disk or in an archive.

    Returns:
        None for a run that was made before this was stored.

    Raises:
        ValueError: if the file is damaged.
    """
    path = run_dir / COMMAND_FILE
    if not path.is_file():
        return None
    stored = read_mapping(path)
    words, choices = stored.get("words"), stored.get("choices")
    if not isinstance(words, list) or not isinstance(choices, dict):
        raise ValueError(f"{COMMAND_FILE} is damaged")
    if not all(isinstance(word, str) for word in (*words, *choices.values())):
        raise ValueError(f"{COMMAND_FILE} is damaged")
    return RunCommand(words, choices)


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
    found = {"agent": agent, "core": core, "env": env}
    return {group: option for group, option in found.items() if option in group_options(group)}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
