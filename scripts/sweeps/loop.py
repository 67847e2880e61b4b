"""Running a sweep's trials: start, watch, retry, and keep count."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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
PRUNED = "pruned"  # ended early by a search that had seen enough of it
# These come again however often a trial is repeated.
_FINAL_CODES = (EXIT_USAGE, EXIT_DIVERGED, EXIT_USER_CODE)
_POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0
LOG_FOLDER = "logs"


@dataclass
class TrialStatus:
    """One trial as the table shows it.

    Attributes:
        trial: what it is.
        run_dir: its folder.
        log: what its processes printed.
        status: waiting, running, finished, failed or pruned.
        state: how far it is.
        attempts: processes started for it in this call.
        reason: why the last attempt failed.
        started: when the last attempt began, on the monotonic clock.
        seconds: that its attempts of this call have taken.
        log_start: size of the log when the last attempt began.
        trust_edited: go on with a folder whose files were edited.
        exit_code: of the last attempt that failed; 0 before.
        is_unwanted: it was asked to end, as nothing more of it is needed.
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
    exit_code: int = 0
    is_unwanted: bool = False

    def look(self) -> TrialState:
        """How far its folder says that it is."""
        return stored_state(self.run_dir, self.trust_edited)


def read_statuses(trials: Sequence[Trial], directory: Path, trust_edited: bool = False) -> list[TrialStatus]:
    """Find out from their folders which trials have finished, and how far the others are."""
    return [read_status(trial, directory, trust_edited) for trial in trials]


def read_status(trial: Trial, directory: Path, trust_edited: bool = False) -> TrialStatus:
    """Find out from its folder whether a trial has finished, and how far it is."""
    log = directory / LOG_FOLDER / trial.folder.parent / f"{trial.folder.name}.log"
    entry = TrialStatus(trial, directory / trial.folder, log, trust_edited=trust_edited)
    entry.state = entry.look()
    entry.status = FINISHED if entry.state.finished else WAITING
    return entry


class TrialSource(Protocol):
    """Says which trials are run, one after the other."""

    def next(self) -> TrialStatus | None:
        """The next trial to be started; None as long as there is none."""

    def is_over(self) -> bool:
        """Whether no further one will come."""

    def ended(self, entry: TrialStatus) -> None:
        """Told of every trial that has finished, failed or been ended early."""

    def unwanted(self) -> Sequence[TrialStatus]:
        """Trials that need not go on, running ones among them; asked about once a second."""


class ListedTrials:
    """All trials that wait, in their order.

    Args:
        statuses: of a whole sweep.
    """

    def __init__(self, statuses: Sequence[TrialStatus]) -> None:
        self._waiting = [entry for entry in statuses if entry.status == WAITING]

    def next(self) -> TrialStatus | None:  # noqa: D102
        return self._waiting.pop(0) if self._waiting else None

    def is_over(self) -> bool:  # noqa: D102
        return not self._waiting

    def ended(self, entry: TrialStatus) -> None:  # noqa: D102
        return

    def unwanted(self) -> Sequence[TrialStatus]:  # noqa: D102
        return ()


def run_trials(
    source: TrialSource,
    launcher: Launcher,
    retries: int,
    report: Callable[[TrialStatus | None], None],
    should_stop: Callable[[], bool] = never,
) -> None:
    """Run trials until the source has no more and each has finished or failed, or all have been stopped.

    Args:
        source: of the trials, which are changed in place.
        launcher: starts the processes.
        retries: how often a trial that crashed is continued.
        report: called with a trial whose status has changed, and with None now and then.
        should_stop: once it says so, none is started any more, and those that run are asked to save and end.
    """
    running: dict[str, TrialStatus] = {}
    again: list[TrialStatus] = []
    last_look = 0.0
    is_stopping = False
    while running or not (is_stopping or (source.is_over() and not again)):
        if should_stop() and not is_stopping:
            is_stopping, again = True, []
            launcher.stop()
        while not is_stopping and launcher.has_room():
            entry = again.pop(0) if again else source.next()
            if entry is None:
                break
            running[_name(entry)] = entry
            _start(entry, launcher)
            report(entry)
        for name, code in launcher.ended():
            entry = running.pop(name)
            _conclude(entry, code, retries)
            if is_stopping and entry.status != FINISHED and code in STOP_CODES:
                entry.status, entry.reason = WAITING, ""
            elif entry.status == WAITING and not is_stopping:
                again.insert(0, entry)
            else:
                source.ended(entry)
            report(entry)
        if time.monotonic() - last_look >= LOOK_SECONDS:
            last_look = time.monotonic()
            for entry in running.values():
                entry.state = running_state(entry.run_dir)
            again = _end_unwanted(source, launcher, running, again)
        report(None)
        if running or again or not source.is_over():
            time.sleep(_POLL_SECONDS)


def _name(entry: TrialStatus) -> str:
    return entry.trial.folder.as_posix()


def _end_unwanted(
    source: TrialSource, launcher: Launcher, running: Mapping[str, TrialStatus], again: Sequence[TrialStatus]
) -> list[TrialStatus]:
    """Ask trials that need not go on to save and end; returns those of `again` that need to."""
    for entry in source.unwanted():
        if not entry.is_unwanted:
            entry.is_unwanted = True
            if _name(entry) in running:
                launcher.stop(_name(entry))
    return [entry for entry in again if not entry.is_unwanted]


def _start(entry: TrialStatus, launcher: Launcher) -> None:
    entry.log.parent.mkdir(parents=True, exist_ok=True)
    entry.log_start = entry.log.stat().st_size if entry.log.exists() else 0
    entry.status, entry.started = RUNNING, time.monotonic()
    entry.attempts += 1
    trust = ["trust_edited=true"] if entry.trust_edited else []
    words = [str(entry.run_dir), *entry.trial.words, *trust]
    launcher.start(_name(entry), words, entry.log)


def _conclude(entry: TrialStatus, code: int, retries: int) -> None:
    """Decide what becomes of a trial whose process has ended."""
    entry.seconds += time.monotonic() - entry.started
    entry.state = entry.look()
    if code == 0:
        entry.status, entry.reason = FINISHED, ""
        return
    entry.exit_code = code
    if entry.is_unwanted:
        entry.status, entry.reason = PRUNED, ""
        return
    entry.reason = failure_reason(code, entry.log, entry.log_start)
    again = code not in _FINAL_CODES and entry.attempts <= retries
    entry.status = WAITING if again else FAILED
