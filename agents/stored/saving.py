"""An agent saved by itself: a folder with what it was made of, its spaces and its parameters, as a run's has it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch

from engram.agents.stored.describing import describe
from engram.agents.stored.spaces import HasSpaces, spaces_text
from engram.common.errors import RunError, UsageError
from engram.run_files.checkpoint import save_checkpoint
from engram.run_files.fixed_config import digest
from engram.run_files.json_text import json_text
from engram.run_files.manifest import write_texts
from engram.run_files.names import COMMAND_FILE, CONFIG_FILE, SIZES_FILE, SPACES_FILE, VERSIONS_FILE
from engram.run_files.progress import Progress
from engram.run_files.run_command import RunCommand, command_text
from engram.run_files.run_folder import checkpoint_path
from engram.run_files.stored_yaml import yaml_text
from engram.run_files.versions import versions

# What whoever builds an agent gives it beside what describes it.
_OF_THE_BUILDER = ("observation_space", "action_space", "make_core", "seed", "device", "total_env_steps")


class Saved(HasSpaces, Protocol):
    """The side of an agent that is saved; all of it is `engram.agents.Agent`'s."""

    made_of: tuple[Sequence[Any], Mapping[str, Any]]
    env_description: Mapping[str, Any]
    settings: Any

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102

    def sizes(self) -> dict[str, int]: ...  # noqa: D102


def save_agent(agent: Saved, path: str | os.PathLike[str]) -> Path:
    """Save an agent in a folder of its own.

    Args:
        agent: of any class, made by hand or loaded.
        path: the folder; it is made, or is empty.

    Returns:
        The folder.

    Raises:
        RunError: a ValueError, if the agent cannot be described, or the folder holds something.
    """
    folder = Path(path).expanduser()
    try:
        config = describe_agent(agent)
    except UsageError as error:
        raise RunError(str(error)) from None
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"An agent is saved in a folder of its own, but {folder} exists; give another.")
    latest = checkpoint_path(folder, "latest")
    latest.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "name": "latest",
        "digest": digest(config),
        "agent": agent.state_dict(),
        "driver": {"env_steps": 0},
        "progress": asdict(Progress()),
    }
    save_checkpoint(latest, state)
    texts = {
        COMMAND_FILE: command_text(RunCommand([], {})),
        SPACES_FILE: spaces_text(agent),
        SIZES_FILE: json_text(agent.sizes(), indent=1) + "\n",
        VERSIONS_FILE: json_text(versions("cpu"), indent=1) + "\n",
        CONFIG_FILE: yaml_text(config),
    }
    write_texts(folder, texts)
    return folder


def describe_agent(agent: Saved) -> dict[str, Any]:
    """Describe an agent by what its constructor was given, as a run's configuration does.

    Raises:
        UsageError: if something of it cannot be described.
    """
    kind, (arguments, options) = type(agent), agent.made_of
    bound = inspect.signature(kind).bind(*arguments, **options).arguments
    given = {name: value for name, value in bound.items() if name not in _OF_THE_BUILDER}
    further = next(
        (name for name, one in inspect.signature(kind).parameters.items() if one.kind is one.VAR_KEYWORD), ""
    )
    given |= given.pop(further, {})
    if "make_core" not in bound:
        raise UsageError(
            f"An agent that is stored must be made with make_core, but {kind.__name__} was not; take it."
        )
    return {
        "agent": {**describe(kind, "agent"), **describe(given, "agent")},
        "core": describe(bound["make_core"], "make_core"),
        "env": dict(agent.env_description),
        "seed": agent.settings.seed,
        "schedule_env_steps": agent.settings.total_env_steps,
        "device": str(torch.device("cpu")),
    }
