"""What a run is called by, what decides how it learns, and the command that repeats it."""

from __future__ import annotations

import json
from typing import Any

from engram.analysis.choices import chosen_option
from engram.analysis.runs import Run
from engram.common.nested import dotted
from engram.common.shell import command_line

# What decides where and how a run is watched, not what it learns.
_OUTWARD = ("device", "threads", "capture", "logging", "checkpoint", "resume", "allow", "total_env_steps")


def option_of(run: Run, group: str) -> str:
    """The option of a config group that a run was made with; for Gymnasium's environments, their id.

    Args:
        run: the run.
        group: `agent`, `core` or `env`.
    """
    return chosen_option(group, run.part(group).arguments, run.command, run.name)


def learning_config(run: Run) -> dict[str, Any]:
    """What decides how a run learns, its seed apart: dotted keys and values."""
    return learning_options(run.config)


def learning_options(config: dict[str, Any]) -> dict[str, Any]:
    """What decides how runs of a configuration learn, their seeds apart: dotted keys and values."""
    return {
        key: value
        for key, value in flatten(config).items()
        if key.partition(".")[0] not in (*_OUTWARD, "seed")
    }


def flatten(config: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys of a nested mapping, with their values: plain ones, or JSON of a list or an empty mapping."""
    found = dotted(config).items()
    return {key: json.dumps(value) if isinstance(value, list | dict) else value for key, value in found}


def training_command(run: Run) -> str | None:
    """The command that a run was given, quoted for a shell.

    Returns:
        None for a run that was made before this was stored, or where it cannot be shown.
    """
    command = None if run.command is None else command_line("train", run.command.words)
    return command if command is not None and command.isprintable() else None
