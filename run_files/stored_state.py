"""Whether a checkpoint belongs to the run that reads it, found out before anything of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engram.common.state_form import AtLeast, StateError, Whole, check_like
from engram.run_files.fixed_config import digest
from engram.run_files.progress import Progress
from engram.run_files.sealed_json import refuse_edited


def check_stored(
    state: Mapping[str, Any], path: Path, form: Any, config: Mapping[str, Any], trust_edited: bool = False
) -> None:
    """Hold a checkpoint against the run's configuration, and its content against the objects it is for.

    Args:
        state: what the file holds.
        path: the file.
        form: what it must look like, see `engram.common.state_form`.
        config: the run's configuration; checkpoints of before hold no digest of it.
        trust_edited: take one of another configuration, with a warning, if its content fits.

    Raises:
        EditedFileError: a ValueError, if it was saved with another configuration.
        ValueError: names the file, and the place in it.
    """
    check_digest(state, path, config, trust_edited)
    try:
        check_like(form, state)
    except StateError as error:
        raise unfit(path, error) from error


def check_digest(
    state: Mapping[str, Any], path: Path, config: Mapping[str, Any], trust_edited: bool = False
) -> None:
    """Hold a checkpoint against the run's configuration.

    Args:
        state: what the file holds, its tensors or not; checkpoints of before hold no digest.
        path: the file.
        config: the run's configuration.
        trust_edited: take one of another configuration with a warning.

    Raises:
        EditedFileError: a ValueError, if it was saved with another configuration.
    """
    if state.get("digest", digest(config)) != digest(config):
        refuse_edited(f"{path} was saved with another configuration than that of this run", trust_edited)


def check_progress(state: Mapping[str, Any], path: Path) -> None:
    """Hold what a checkpoint says of how far its run has come against its form; the rest of it may be anything.

    Args:
        state: what the file holds, its tensors or not.
        path: the file.

    Raises:
        ValueError: names the file, and the place in it.
    """
    form = {"driver": AtLeast({"env_steps": Whole()}), "progress": Progress.state_form()}
    try:
        check_like(AtLeast(form), state)
    except StateError as error:
        raise unfit(path, error) from error


def unfit(path: Path, error: Exception) -> ValueError:
    """The error for a checkpoint whose content does not fit."""
    return ValueError(
        "A checkpoint must come from the same agent and core as the configuration, and be as it was written, but "
        f"{path} does not fit: {' '.join(str(error).split())}; use the run's own configuration and its own files."
    )
