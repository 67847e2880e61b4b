"""Making a run's folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from engram.agents.base import Agent
from engram.agents.stored.spaces import spaces_text
from engram.common.errors import UsageError
from engram.common.shell import shell_word
from engram.run_files.names import (
    COMMAND_FILE,
    CONFIG_FILE,
    SIZES_FILE,
    SPACES_FILE,
    TEXT_FILES,
    VERSIONS_FILE,
)
from engram.run_files.run_command import RunCommand, command_text
from engram.run_files.run_folder import CHECKPOINTS_FOLDER
from engram.run_files.run_lock import is_locked
from engram.run_files.stored_yaml import yaml_text
from engram.run_files.unbegun import clear_replay, is_bare
from engram.run_files.versions import versions
from engram.training.sizes import sizes_text


def make_run_dir(runs_dir: Path, env_name: str, agent: str, core: str, seed: int) -> Path:
    """Make `runs/<env>/<agent>-<core>/<seed>-<time>/`, never one that exists.

    Returns:
        The new folder, with an empty `checkpoints/` in it.

    Raises:
        UsageError: if nothing can be written there.
    """
    return _make_stamped(runs_dir / env_name / f"{agent}-{core}", str(seed), CHECKPOINTS_FOLDER)


def make_common_dir(runs_dir: Path, env_name: str, agent: str, core: str, seeds: str) -> Path:
    """Make `runs/<env>/<agent>-<core>/<seeds>-<time>/`, empty, for the runs of several seeds; as `make_run_dir`."""
    return _make_stamped(runs_dir / env_name / f"{agent}-{core}", seeds)


def _make_stamped(parent: Path, name: str, inside: str = "") -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    attempt = 1
    while True:
        run_dir = parent / (f"{name}-{stamp}" + (f"-{attempt}" if attempt > 1 else ""))
        try:
            (run_dir / inside).mkdir(parents=True, exist_ok=False)
            return run_dir
        except FileExistsError:
            attempt += 1
        except OSError as error:
            raise UsageError(
                f"A run's folder must be one that can be made, but {run_dir} cannot ({error.strerror}); "
                "set logging.runs_dir=<folder>."
            ) from error


def make_given_dir(run_dir: Path) -> Path:
    """Make a run's folder where the user wants it.

    Returns:
        The new folder, with an empty `checkpoints/` in it.

    Raises:
        UsageError: if it exists and holds anything, or cannot be made.
    """
    try:
        if is_bare(run_dir) and not is_locked(run_dir):
            clear_replay(run_dir)
        else:
            (run_dir / CHECKPOINTS_FOLDER).mkdir(parents=True, exist_ok=False)
    except FileExistsError as error:
        way = "give another logging.run_dir"
        if (run_dir / CONFIG_FILE).exists():
            way += f", or continue it with {shell_word(f'resume={run_dir}')}"
        raise UsageError(f"A new run needs a folder of its own, but {run_dir} exists; {way}.") from error
    except OSError as error:
        raise UsageError(
            f"A run's folder must be one that can be made, but {run_dir} cannot ({error.strerror}); "
            "set logging.run_dir=<folder>."
        ) from error
    return run_dir


def describe_run(config: dict[str, Any], agent: Agent, command: RunCommand) -> dict[str, str]:
    """Write down what a run is.

    Returns:
        Its text files by name, in the order of `TEXT_FILES`.
    """
    texts = {
        COMMAND_FILE: command_text(command),
        **describe_agent(agent),
        VERSIONS_FILE: json.dumps(versions(config["device"]), indent=1) + "\n",
        CONFIG_FILE: yaml_text(config),
    }
    assert tuple(texts) == TEXT_FILES
    return texts


def describe_agent(agent: Agent) -> dict[str, str]:
    """Those of a run's text files that say what its agent is made for."""
    return {SPACES_FILE: spaces_text(agent), SIZES_FILE: sizes_text(agent)}
