"""Comparing two agents in the same episodes, which takes the luck of the episodes out of the difference."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.common.errors import UsageError
from engram.envs.evaluation import mean_and_error
from engram.run_files.find_run import newest_run
from engram.run_files.former_names import with_present_names
from engram.run_files.sealed_json import EditedFileError, check_seal

EVALUATION_FILE = "evaluation.json"


def episodes_identity(env: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe which episodes an evaluation plays: two with the same description play the same ones.

    Args:
        env: the environment's arguments.
        options: those of `engram evaluate`.
    """
    arguments = {key: value for key, value in env.items() if key not in ("render_mode", "vectorization")}
    return {"env": arguments, **{key: options[key] for key in ("episodes", "num_envs", "seed")}}


def read_against(
    place: str, played: Mapping[str, Any], trust_edited: bool = False
) -> tuple[Path, list[float]]:
    """Read the evaluation to compare with.

    Args:
        place: its `evaluation.json`, or the folder of a run that was evaluated, or one above it.
        played: the description of this evaluation's episodes.
        trust_edited: take a file that was edited, with a warning.

    Returns:
        The file, and its returns, one of each episode.

    Raises:
        UsageError: if there is none, or if it played other episodes.
        EditedFileError: if it is not what was written.
    """
    path = Path(place)
    if path.is_dir():
        path = newest_run(path) / "evaluation" / EVALUATION_FILE
    try:
        content = check_seal(json.loads(path.read_text()), path, trust_edited)
        returns, other = [_number(value) for value in content["returns"]], dict(content["played"])
    except EditedFileError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"against must name an evaluation, expected an {EVALUATION_FILE} as this command writes it, but {path} "
            f"is none ({type(error).__name__}: {error}); evaluate that run first."
        ) from error
    # Evaluations of before name Engram's environments by their former names.
    different = [
        key for key in played if with_present_names(played[key]) != with_present_names(other.get(key))
    ]
    if different:
        got = ", ".join(f"{key}={other.get(key)}" for key in different)
        expected = ", ".join(f"{key}={played[key]}" for key in different)
        raise UsageError(
            f"Two agents are compared in the same episodes: expected {expected}, but {path} has {got}; evaluate "
            "both with the same options."
        )
    if len(returns) != played["episodes"]:
        raise UsageError(
            f"An evaluation holds the return of each episode, but {path} has {len(returns)} of {played['episodes']} "
            "episodes: it is damaged; evaluate that run again."
        )
    return path, returns


def _number(value: Any) -> float:
    """A return.

    Raises:
        ValueError: if it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.40} is no return")
    return float(value)


def paired_difference(returns: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Subtract episode by episode.

    Args:
        returns: one agent's, of the same episodes in the same order as
        others: those of the other.

    Returns:
        The mean difference and its standard error, NaN for a single episode.
    """
    pairs = zip(returns, others, strict=True)
    return mean_and_error([mine - other for mine, other in pairs])
