"""The spaces that a run's agent was made for, in the run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from gymnasium import spaces

from engram.agents.networks.leaves import observation_leaves
from engram.agents.stored.earlier_readings import describe_reading, earlier_readings
from engram.common.actions import action_layout
from engram.common.box_actions import BOX_ACTIONS, BoxAction
from engram.common.state_form import Anything, AtLeast, StateError, check_like
from engram.run_files.names import SPACES_FILE, VERSIONS_FILE
from engram.run_files.space_json import space_from_json, space_to_json

# 1 had no number, no dtypes of Discrete and MultiDiscrete, and a Dict's parts in an object.
FORMAT = 2


class HasSpaces(Protocol):
    """The side of an agent that is described here; all of it is `engram.agents.Agent`'s."""

    observation_space: spaces.Space
    action_space: spaces.Space
    box_action: BoxAction


def spaces_text(agent: HasSpaces) -> str:
    """Describe the spaces an agent was made for, and how its Box actions are brought between the bounds."""
    description = {
        "format": FORMAT,
        "observation_space": space_to_json(agent.observation_space),
        "action_space": space_to_json(agent.action_space),
        "box_action": agent.box_action,
    }
    return json.dumps(description, indent=1) + "\n"


def read_spaces(run_dir: Path) -> tuple[spaces.Space, spaces.Space]:
    """Read the observation and the action space a run's agent was made for.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, written by a later version, or by an earlier one whose agents read a part of the
            observation in another way.
    """
    path = run_dir / SPACES_FILE
    if not path.exists():
        raise FileNotFoundError(
            f"A run's folder holds a {SPACES_FILE}, but {run_dir} has none; copy all of it."
        )
    try:
        description = json.loads(path.read_text())
        number = description.get("format", 1)
        if not isinstance(number, int) or number not in (1, FORMAT):
            raise ValueError(
                f"A run's {SPACES_FILE} has format 1 or {FORMAT}, but {path} has {number!r}, which engram-rl "
                f"{written_by(run_dir)} wrote; read it with that version."
            )
        names = ("observation_space", "action_space")
        check_like(AtLeast(dict.fromkeys(names, Anything())), description)
        found = [space_from_json(description[name], name) for name in names]
        _check_action_space(found[1])
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, RecursionError, StateError) as error:
        told = f" ({error})" if isinstance(error, StateError) else ""
        raise ValueError(
            f"A run's {SPACES_FILE} describes two spaces, but {path} does not{told}; it is damaged."
        ) from error
    if number == 1:
        _check_earlier_readings(run_dir, found[0])
    return found[0], found[1]


def check_spaces(run_dir: Path, agent: HasSpaces) -> None:
    """Refuse to continue a run with an agent for other spaces than it was trained in.

    Raises:
        ValueError: names what differs; or as `read_spaces`.
    """
    stored = read_spaces(run_dir)
    description = json.loads((run_dir / SPACES_FILE).read_text())
    if "format" not in description:
        return  # it says too little to tell
    for name, expected in zip(("observation_space", "action_space"), stored, strict=True):
        got = getattr(agent, name)
        if space_to_json(got) != description[name]:
            raise ValueError(
                f"A run is continued in the spaces it was trained in: expected the {name} {expected}, but its "
                f"environment now has {got}; use the version of the environment it was begun with."
            )


def _check_action_space(space: spaces.Space) -> None:
    try:
        action_layout(space)
    except ValueError as error:
        raise StateError(f"action_space: {error}") from error


def _check_earlier_readings(run_dir: Path, space: spaces.Space) -> None:
    """Refuse a run of the first format whose observations are read otherwise since."""
    try:
        now = {leaf.name: describe_reading(leaf) for leaf in observation_leaves(space)}
    except ValueError as error:
        now = {"": str(error)}
    for name, before in earlier_readings(space).items():
        if before != now.get(name):
            raise ValueError(
                f"A run's observations must be read as it was trained, but {name!r} of {run_dir} was read as {before} "
                f"by engram-rl {written_by(run_dir)}, which this version does not; use that version, or train anew."
            )


def read_box_action(run_dir: Path, config: dict[str, Any]) -> BoxAction:
    """Read how a run's environment brings Box actions between the bounds; before it was stored, they were clipped.

    Args:
        run_dir: the run's folder, whose spaces can be read.
        config: the run's configuration.

    Raises:
        ValueError: if the file is damaged.
    """
    description = json.loads((run_dir / SPACES_FILE).read_text())
    told = config["env"].get("action") if isinstance(config["env"], dict) else None
    box_action: BoxAction = description.get("box_action", told or "clip")
    if box_action not in BOX_ACTIONS:
        raise ValueError(
            f"A run's {SPACES_FILE} holds a box_action of {', '.join(BOX_ACTIONS)}, but that of {run_dir} has "
            f"{box_action!r}; it is damaged."
        )
    return box_action


def written_by(run_dir: Path) -> str:
    """Name the version of the package that began a run, as its versions say."""
    try:
        versions: dict[str, Any] = json.loads((run_dir / VERSIONS_FILE).read_text())
        return f"{versions.get('engram-rl', 'of unknown version')} (commit {versions['git_commit']})"
    except (OSError, ValueError, KeyError):
        return "of unknown version"
