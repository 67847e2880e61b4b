"""`wandb.json` and `mlflow.json` in a run's folder: under which id an experiment tracker keeps the run, and how far."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from engram.run_files.bounded_text import read_mapping
from engram.run_files.json_text import json_text
from engram.run_files.plain_files import replace_file

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Tracked:
    """What a tracker has of a run.

    Attributes:
        id: of the run there.
        env_steps: of the last line that it has been given; -1 if none.
    """

    id: str
    env_steps: int = -1


def read_tracked(run_dir: Path, name: str) -> Tracked | None:
    """Read what a tracker has of a run; None if it has nothing.

    Args:
        run_dir: the run's folder.
        name: of the tracker.

    Raises:
        ValueError: if the file is not what was written.
    """
    path = run_dir / f"{name}.json"
    if not path.is_file():
        return None
    found = read_mapping(path)
    id, env_steps = found.get("id"), found.get("env_steps")
    if not isinstance(id, str) or not _ID.fullmatch(id) or type(env_steps) is not int:
        raise ValueError(
            f"{path} must hold an id and a number of env_steps, but it is damaged; put it back as it was, or remove "
            "it to begin a new run there."
        )
    return Tracked(id, env_steps)


def write_tracked(run_dir: Path, name: str, tracked: Tracked) -> None:
    """Write what a tracker has of a run, in one step."""
    replace_file(run_dir / f"{name}.json", json_text(asdict(tracked)) + "\n")
