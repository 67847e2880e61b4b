"""Running a sweep's trials: start, watch, retry, and keep count."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engram.scripts.faults.errors import EXIT_DIVERGED, EXIT_USAGE
from engram.scripts.sweeps.grid import Trial
from engram.scripts.sweeps.launchers import Launcher
from engram.scripts.sweeps.trial_state import (
    EXIT_USER_CODE,
    TrialState,
    failure_reason,
    running_state,
    stored_state,
)
from engram.training.schedule import never
from engram.training.stop_request import STOP_CODES

WAITING, RUNNING, FINISHED, FAILED = "waiting", "running", "finished", "failed"
# These come again however often a trial is repeated.
_FINAL_CODES = (EXIT_USAGE, EXIT_DIVERGED, EXIT_USER_CODE)
_POLL_SECONDS = 0.1
LOG_FOLDER = "logs"


@dataclass
class TrialStatus:
    """One trial as the table shows it.

    Attributes:
        trial: what it is.
        run_dir: its folder.
        log: what its processes printed.
        status: waiting, running, finished or failed.
        state: how far it is.
        attempts: processes started for it in this call.
        reason: why the last attempt failed.
        started: when the last attempt began, on the monotonic clock.
        seconds: that its attempts of this call have taken.
        log_start: size of the log when the last attempt began.
        trust_edited: go on with a folder whose files were edited.
    """

    trial: Trial
    run_dir: Path
    log: Path
    status: str = WAITING
    state: TrialState = field(default_factory=TrialState)
    attempts: int = 0
    reason: str = ""
    started: float = 0.0
    seconds: float = 0.0
    log_start: int = 0
    trust_edited: bool = False

    def look(self) -> TrialState:
        """How far its folder says that it is."""
        return stored_state(self.run_dir, self.trust_edited)


def read_statuses(trials: Sequence[Trial], directory: Path, trust_edited: bool = False) -> list[TrialStatus]:
    """Find out from their folders which trials have finished, and how far the others are."""
    statuses = []
    for trial in trials:
        log = directory / LOG_FOLDER / trial.folder.parent / f"{trial.folder.name}.log"
        entry = TrialStatus(trial, directory / trial.folder, log, trust_edited=trust_edited)
        entry.state = entry.look()
        entry.status = FINISHED if entry.state.finished else WAITING
        statuses.append(entry)
    return statuses


def run_trials(
    statuses: Sequence[TrialStatus],
    launcher: Launcher,
    retries: int,
    report: Callable[[TrialStatus | None], None],
    should_stop: Callable[[], bool] = never,
) -> None:
    """Run all trials that wait, until each has finished or failed, or all have been stopped.

    Args:
        statuses: changed in place.
        launcher: starts the processes.
        retries: how often a trial that crashed is continued.
        report: called with a trial whose status has changed, and with None now and then.
        should_stop: once it says so, none is started any more, and those that run are asked to save and end.
    """
    by_name = {entry.trial.folder.as_posix(): entry for entry in statuses}
    waiting = [entry for entry in statuses if entry.status == WAITING]
    running: dict[str, TrialStatus] = {}
    last_look = 0.0
    is_stopping = False
    while waiting or running:
        if should_stop() and not is_stopping:
            is_stopping, waiting = True, []
            launcher.stop()
        while waiting and launcher.has_room():
            entry = waiting.pop(0)
            running[entry.trial.folder.as_posix()] = entry
            _start(entry, launcher)
            report(entry)
        for name, code in launcher.ended():
            entry = by_name[name]
            del running[name]
            _conclude(entry, code, retries)
            if is_stopping and entry.status == FAILED and code in STOP_CODES:
                entry.status, entry.reason = WAITING, ""
            elif entry.status == WAITING and not is_stopping:
                waiting.insert(0, entry)
            report(entry)
        if time.monotonic() - last_look >= 1.0:
            last_look = time.monotonic()
            for entry in running.values():
                entry.state = running_state(entry.run_dir)
        report(None)
        if waiting or running:
            time.sleep(_POLL_SECONDS)


def _start(entry: TrialStatus, launcher: Launcher) -> None:
    entry.log.parent.mkdir(parents=True, exist_ok=True)
    entry.log_start = entry.log.stat().st_size if entry.log.exists() else 0
    entry.status, entry.started = RUNNING, time.monotonic()
    entry.attempts += 1
    trust = ["trust_edited=true"] if entry.trust_edited else []
    words = [str(entry.run_dir), *entry.trial.words, *trust]
    launcher.start(entry.trial.folder.as_posix(), words, entry.log)


def _conclude(entry: TrialStatus, code: int, retries: int) -> None:
    """Decide what becomes of a trial whose process has ended."""
    entry.seconds += time.monotonic() - entry.started
    entry.state = entry.look()
    if code == 0:
        entry.status, entry.reason = FINISHED, ""
        return
    entry.reason = failure_reason(code, entry.log, entry.log_start)
    again = code not in _FINAL_CODES and entry.attempts <= retries
    entry.status = WAITING if again else FAILED
