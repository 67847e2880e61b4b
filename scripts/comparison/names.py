"""What a run is called by: its agent, its core, its task and the command that repeats it."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from engram.scripts.comparison.runs import Run
from engram.scripts.config import compose_config
from engram.scripts.errors import UsageError
from engram.scripts.groups import CONFIG_DIR, group_options
from engram.scripts.printable import short_name
from engram.scripts.words import command_line, write_value

# What decides where and how a run is watched, not what it learns.
_OUTWARD = ("device", "threads", "capture", "logging", "checkpoint", "resume", "allow", "total_env_steps")
# Environments whose options are registered by name, not written as files.
_TASKS_BY_NAME = {"engram.envs.make_popgym": "popgym", "engram.envs.make_memory_maze": "memory_maze"}


def option_of(run: Run, group: str) -> str:
    """The option of a config group that a run was made with; for Gymnasium's environments, their id.

    A run stores it. For runs that were made before, the name of the parent folder tells agent and core; elsewhere
    the class tells, by the option whose file names it and is most like the stored arguments, or else by its own name.

    Args:
        run: the run.
        group: `agent`, `core` or `env`.
    """
    part = run.part(group)
    if part.target in _TASKS_BY_NAME:
        return short_name(f"{_TASKS_BY_NAME[part.target]}/{part.name}")
    if part.id:
        return short_name(part.id)
    if run.command is not None and run.command.choices.get(group, "custom") != "custom":
        return short_name(run.command.choices[group])
    options = _options_by_target(group).get(part.target, {})
    named = [option for option in options if _is_in_folder_name(run.name, group, option)]
    if named:
        return max(named, key=len)
    stored = flatten(part.arguments).items()
    alike = sorted(options, key=lambda option: len(stored ^ flatten(options[option]).items()))
    return alike[0] if alike else short_name(_snake_case(part.target.rpartition(".")[2]))


def learning_config(run: Run) -> dict[str, Any]:
    """What decides how a run learns, its seed apart: dotted keys and values."""
    return {
        key: value
        for key, value in flatten(run.config).items()
        if key.partition(".")[0] not in (*_OUTWARD, "seed")
    }


def flatten(config: Any) -> dict[str, Any]:
    """Dotted keys of a nested mapping, with their values: plain ones, or JSON of a list or an empty mapping."""
    found = leaves(config).items()
    return {key: json.dumps(value) if isinstance(value, list | dict) else value for key, value in found}


def leaves(config: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted keys of a nested mapping, with their values; lists and empty mappings are values."""
    if not isinstance(config, dict) or not config:
        return {prefix: config}
    parts = ((f"{prefix}.{key}" if prefix else str(key), value) for key, value in config.items())
    return {name: found for key, value in parts for name, found in leaves(value, key).items()}


def training_command(run: Run) -> str | None:
    """The command that repeats a run, quoted for a shell.

    A run stores it. For runs that were made before, it is found by composing: what differs from the defaults is given.
    Where the run was kept is its own (`logging.run_dir`), and no part of the command.

    Returns:
        None where no command gives all of the stored configuration, or none that can be shown.
    """
    if run.command is not None:
        return _if_printable(command_line("train", run.command.words))
    options = {group: option_of(run, group) for group in ("agent", "core", "env")}
    if run.part("env").id is not None:
        options["env"] = "gymnasium"
    # What stands for something else in a command is text in a run, and would mean the reader's own options and machine.
    wanted = _repeated(run.config, run.config)
    if not all(option in group_options(group) for group, option in options.items()) or "${" in str(wanted):
        return None
    base = [f"{group}={option}" for group, option in options.items()]
    if run.part("env").id is not None:
        base.append(f"env.id={write_value(run.part('env').id)}")
    try:
        usual = _repeated(compose_config("train", base).values, run.config)
        given = [
            f"{'' if key in usual else '+'}{key}={write_value(value)}"
            for key, value in wanted.items()
            if key not in usual or usual[key] != value
        ]
        words = [*base, *given]
        composed = _repeated(compose_config("train", words).values, run.config)
    except UsageError:
        return None
    # Options that have come since are as they are by default.
    lacking = object()
    if any(composed.get(key, lacking) != value for key, value in wanted.items()):
        return None
    return _if_printable(command_line("train", words))


def _if_printable(command: str) -> str | None:
    return command if command.isprintable() else None


def _repeated(config: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """What a command must give of a configuration, by dotted keys.

    Training stores neither an experiment's grid nor the replay's options of an agent that has no replay.
    """
    absent = {"logging", *({"replay", "sweep"} - stored.keys())}
    return leaves({key: value for key, value in config.items() if key not in absent})


@functools.cache
def _options_by_target(group: str) -> dict[str, dict[str, Any]]:
    """What the options' files hold, by class and option."""
    found: dict[str, dict[str, Any]] = {}
    for option in group_options(group):
        path = CONFIG_DIR / group / f"{option}.yaml"
        if path.exists():
            content = yaml.safe_load(path.read_text())
            # An option that also chooses others, as a world model its core, holds its own under its group's name.
            description = content if "_target_" in content else content.get(group, {})
            if group == "core":  # whose sizes are references, stored by runs as values
                description = OmegaConf.to_container(OmegaConf.create(description), resolve=True)
            found.setdefault(str(description.get("_target_")), {})[option] = description
    return found


def _is_in_folder_name(folder: str, group: str, option: str) -> bool:
    name = Path(folder).absolute().parent.name
    return name.startswith(f"{option}-") if group == "agent" else name.endswith(f"-{option}")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
