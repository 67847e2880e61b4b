"""The layout of a run's folder, and its configuration."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from engram.common.errors import EnvironmentFault
from engram.run_files.fixed_config import LATER, LATER_GROUPS
from engram.run_files.former_names import (
    is_of_before,
    with_present_logging,
    with_present_names,
    with_present_options,
)
from engram.run_files.names import CONFIG_FILE
from engram.run_files.sealed_json import refuse_edited
from engram.run_files.stored_yaml import read_yaml

CHECKPOINTS_FOLDER = "checkpoints"
REPLAY_FOLDER = "replay"
# What Python says where a function is given what it does not take.
_MISFIT = re.compile(r"missing \d+ required|unexpected keyword argument|takes .* positional argument")


def checkpoint_path(run_dir: Path, name: str) -> Path:
    """Where the checkpoint `name` (`latest`, `best`, `step-…`) of a run lies."""
    return run_dir / CHECKPOINTS_FOLDER / f"{name}.safetensors"


def read_config(run_dir: Traversable) -> dict[str, Any]:
    """Read a run's resolved configuration as plain values.

    Args:
        run_dir: the run's folder, on disk or in an archive.

    Raises:
        FileNotFoundError: if `run_dir` is not a run's folder.
        ValueError: if the file is damaged.
    """
    path = run_dir / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"A run's folder holds a {CONFIG_FILE}, but {run_dir} has none; give a folder that training wrote, "
            "such as runs/<env>/<agent>-<core>/<seed>-<time>."
        )
    try:
        config = read_yaml(path)
    except ValueError as error:
        raise ValueError(
            f"A run's {CONFIG_FILE} is YAML of plain values, but {path} is not; the file is damaged: {error}."
        ) from error
    needed = ("agent", "core", "env", "seed", "schedule_env_steps")
    missing = [key for key in needed if not isinstance(config, dict) or key not in config]
    if missing:
        raise ValueError(
            f"A run's {CONFIG_FILE} holds {', '.join(needed)}, but {path} has no {missing[0]}; the file is damaged."
        )
    if is_of_before(run_dir):
        config = with_present_options(with_present_names(config))
    config = with_present_logging(config)
    _name_old_default(config["env"])
    return config


def stored_config(run_dir: Path) -> dict[str, Any]:
    """Read a run's configuration, with the options that its version did not have yet.

    Raises:
        FileNotFoundError: if `run_dir` is not a run's folder.
        ValueError: if the file is damaged.
    """
    config = read_config(run_dir)
    for group in LATER_GROUPS:
        config.setdefault(group, {})
    for name, value in LATER.items():
        group, _, key = name.rpartition(".")
        node = config.get(group) if group else config
        if isinstance(node, dict):
            node.setdefault(key, copy.deepcopy(value))
    return config


def _name_old_default(env: Any) -> None:
    """Write the way in which Box actions were treated before it had a name, and before `auto`: clipped."""
    by_name = isinstance(env, dict) and env.get("_target_") == "engram.envs.make_env"
    if by_name and env.get("action", "") is None:
        # Of these tasks only the pendulums have bounds for which it matters.
        env["action"] = "clip" if "pendulum" in str(env.get("name")) else "auto"


@contextmanager
def options_of(run_dir: Path) -> Iterator[None]:
    """Name the file in which an option stands that is refused within the block.

    Raises:
        ValueError: in place of one.
    """
    try:
        yield
    except EnvironmentFault:
        raise
    except (ValueError, RuntimeError, OverflowError, MemoryError, TypeError) as error:
        if isinstance(error, TypeError) and not _MISFIT.search(str(error)):
            raise
        # What is too large comes as one of the others, and a network in the place of an encoder as a TypeError.
        text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if not isinstance(error, ValueError):
            text = f"An agent must be one that can be built here, but this one cannot: {text}"
        raise ValueError(f"{text} (the options are those of {run_dir / CONFIG_FILE}).") from error


def check_name(state: Mapping[str, Any], name: str, path: Path, trust_edited: bool = False) -> None:
    """Refuse a checkpoint that was copied over another: each holds its own name.

    Args:
        state: of the checkpoint; one of before holds none.
        name: what it should be.
        path: of its file.
        trust_edited: take it with a warning.

    Raises:
        EditedFileError: names both.
    """
    own = state.get("name", name)
    if own != name:
        refuse_edited(f"{path} holds the checkpoint {own!r}, copied over {name!r}", trust_edited)
