"""What a run was asked for: its command's words and the options chosen, kept in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from engram.run_files.bounded_text import read_mapping
from engram.run_files.json_text import json_text
from engram.run_files.names import COMMAND_FILE

# Where a run was kept, and which one was continued, is no part of what it is.
_OF_THE_PLACE = ("logging.run_dir", "resume", "resume_from")


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
