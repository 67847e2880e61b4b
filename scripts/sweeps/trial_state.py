"""What a trial's folder says of how far it has come."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.checkpoint import read_values
from agents.logger import METRICS_FILE
from agents.run_folder import checkpoint_path, read_config

_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class TrialState:
    """How far a run is.

    Attributes:
        env_steps: real transitions so far.
        episodic_return: the newest known, an evaluation's if there was one.
        finished: the budget is spent or the task solved, and the last checkpoint says so.
    """

    env_steps: int = 0
    episodic_return: float | None = None
    finished: bool = False


def stored_state(run_dir: Path) -> TrialState:
    """Read a run's state from its last checkpoint; that of a run that was never begun if there is none."""
    try:
        config = read_config(run_dir)
        values = read_values(checkpoint_path(run_dir, "latest"))
        env_steps, progress = int(values["driver"]["env_steps"]), values["progress"]
    except (OSError, ValueError, KeyError):
        return TrialState()
    finished = env_steps >= config["total_env_steps"] or bool(progress["solved"])
    return TrialState(env_steps, progress["last_return"], finished)


def running_state(run_dir: Path) -> TrialState:
    """Read how far a running run is from the end of its log."""
    episodic_return = None
    env_steps = 0
    for row in _newest_rows(run_dir / METRICS_FILE):
        env_steps = max(env_steps, int(row["env_steps"]))
        if row.get("eval/episodic_return") is not None:
            return TrialState(env_steps, row["eval/episodic_return"])
        if episodic_return is None:
            episodic_return = row.get("charts/episodic_return")
    return TrialState(env_steps, episodic_return)


def _newest_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The last rows of a log, the newest first; one that is being written is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        start = max(0, path.stat().st_size - _TAIL_BYTES)
        file.seek(start)
        lines = file.read().splitlines()
    for line in reversed(lines[1:] if start else lines):
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def failure_reason(exit_code: int, log: Path, start: int) -> str:
    """Say in one line why an attempt failed.

    Args:
        exit_code: of the process; negative for a signal.
        log: what it printed.
        start: size of the log before the attempt.
    """
    if exit_code < 0:
        return f"killed by signal {-exit_code} ({signal.strsignal(-exit_code)})"
    with log.open("rb") as file:
        file.seek(start)
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {exit_code}"
