"""Whether a checkpoint belongs to the run that reads it, found out before anything of it is used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.fixed_config import digest
from envs.state_form import StateError, check_like


def check_stored(
    state: Mapping[str, Any], path: Path, form: Any, config: Mapping[str, Any], trust_edited: bool = False
) -> None:
    """Hold a checkpoint against the run's configuration, and its content against the objects it is for.

    Args:
        state: what the file holds.
        path: the file.
        form: what it must look like, see `envs.state_form`.
        config: the run's configuration; checkpoints of before hold no digest of it.
        trust_edited: take one of another configuration, with a warning, if its content fits.

    Raises:
        ValueError: names the file, and the place in it.
    """
    expected, got = digest(config), state.get("digest", None)
    if got is not None and got != expected:
        difference = (
            f"A checkpoint belongs to one configuration, but {path} was saved with another than this run's: expected "
            f"the digest {expected[:16]}, got {str(got)[:16]}"
        )
        if not trust_edited:
            raise ValueError(
                f"{difference}; put back the config.yaml and the checkpoints that belong together, or, if the change "
                "is yours, add trust_edited=true."
            )
        warnings.warn(f"{difference}; it is used because of trust_edited.", stacklevel=2)
    try:
        check_like(form, state)
    except StateError as error:
        raise unfit(path, error) from error


def unfit(path: Path, error: Exception) -> ValueError:
    """The error for a checkpoint whose content does not fit."""
    return ValueError(
        "A checkpoint must come from the same agent and core as the configuration, and be as it was written, but "
        f"{path} does not fit: {' '.join(str(error).split())}; use the run's own configuration and its own files."
    )
