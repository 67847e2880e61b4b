"""What a trial's folder says of how far it has come."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engram.run_files.checkpoint import read_values
from engram.run_files.manifest import check_texts, stream_run_metrics
from engram.run_files.metric_lines import Row, parse_line
from engram.run_files.names import METRICS_FILE
from engram.run_files.run_folder import checkpoint_path, read_config
from engram.run_files.sealed_json import EditedFileError
from engram.run_files.stored_state import check_digest, check_progress
from engram.run_files.unbegun import holds_checkpoint

# A trial's own, in place of 1: code of the user's raised an error, and would again.
EXIT_USER_CODE = 4
_TAIL_BYTES = 1 << 16
_LEAST_BYTES = 1 << 12  # less free room holds no line of a log
# What reading values raises of which a part was lost or changed.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)


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


def stored_state(run_dir: Path, trust_edited: bool = False) -> TrialState:
    """Read a run's state from its last checkpoint.

    Where the checkpoints to go on from were removed, as to free space, its log tells. A run that was never begun has
    the state of no step, and so has one whose files were edited or damaged: going on with it says what it is.

    Args:
        run_dir: the run's folder; need not exist.
        trust_edited: take files that were edited.
    """
    try:
        check_texts(run_dir, trust_edited, warns=False)
    except (EditedFileError, OSError):
        return TrialState()
    if not holds_checkpoint(run_dir):
        return _logged_state(run_dir, trust_edited)
    try:
        config = read_config(run_dir)
        path = checkpoint_path(run_dir, "latest")
        values = read_values(path)
        check_progress(values, path)
        check_digest(values, path, config, trust_edited)
        env_steps, progress = values["driver"]["env_steps"], values["progress"]
        is_whole = progress.get("unfinished_from") is None
        finished = is_whole and (env_steps >= config["total_env_steps"] or bool(progress["solved"]))
        return TrialState(env_steps, progress["last_return"], finished)
    except _DAMAGE:
        return TrialState()


def _logged_state(run_dir: Path, trust_edited: bool) -> TrialState:
    if not (run_dir / METRICS_FILE).is_file():
        return TrialState()
    try:
        config = read_config(run_dir)
        total, enough = config["total_env_steps"], config["evaluation"]["stop_at_return"]
        state = _newest_state(reversed(list(stream_run_metrics(run_dir, trust_edited))))
        last = state.episodic_return
        is_solved = enough is not None and last is not None and last >= enough
        return replace(state, finished=state.env_steps >= total or is_solved)
    except _DAMAGE:
        return TrialState()


def running_state(run_dir: Path) -> TrialState:
    """Read how far a running run is from the end of its log."""
    return _newest_state(_newest_rows(run_dir / METRICS_FILE))


def _newest_state(rows: Iterable[Row]) -> TrialState:
    """How far rows say that a run is, the newest first."""
    episodic_return = None
    env_steps = 0
    for row in rows:
        env_steps = max(env_steps, int(row["env_steps"]))
        if row.get("eval/episodic_return") is not None:
            return TrialState(env_steps, row["eval/episodic_return"])
        if episodic_return is None:
            episodic_return = row.get("charts/episodic_return")
    return TrialState(env_steps, episodic_return)


def _newest_rows(path: Path) -> Iterator[Row]:
    """The last rows of a log, the newest first; one that is being written, or is damaged, is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        start = max(0, path.stat().st_size - _TAIL_BYTES)
        file.seek(start)
        lines = file.read().splitlines()
    for line in reversed(lines[1:] if start else lines):
        row, _ = parse_line(line)
        if row is not None and isinstance(row.get("env_steps"), int | float):
            yield row


def failure_reason(exit_code: int, log: Path, start: int) -> str:
    """Say in one line why an attempt failed.

    Args:
        exit_code: of the process; negative for a signal.
        log: what it printed.
        start: size of the log before the attempt.
    """
    if exit_code < 0:
        return f"killed by signal {-exit_code} ({signal.strsignal(-exit_code)})"
    try:
        with log.open("rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return f"exit code {exit_code}; its log is gone: was the sweep's folder moved?"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines:
        return lines[-1]
    is_full = shutil.disk_usage(log.parent).free < _LEAST_BYTES
    return f"exit code {exit_code}" + ("; the disk that its log is on is full" if is_full else "")
