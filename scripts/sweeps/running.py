"""Training what waits, in processes: what a sweep and several seeds share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from engram.common.say import say
from engram.scripts.sweeps.launchers import Launcher
from engram.scripts.sweeps.loop import (
    FAILED,
    FINISHED,
    WAITING,
    ListedTrials,
    TrialSource,
    TrialStatus,
    run_trials,
)
from engram.training.stop_request import StopRequest


class View(AbstractContextManager[Any], Protocol):
    """What a person sees while trials run."""

    def report(self, changed: TrialStatus | None) -> None:
        """Show a trial whose status has changed, or that time goes on."""


def train_trials(
    statuses: list[TrialStatus], launcher: Launcher, retries: int, view: View, whole: str, command: str
) -> None:
    """Run what waits.

    Args:
        statuses: changed in place.
        launcher: starts the processes; closed at the end.
        retries: how often a trial that crashed is continued.
        view: shows how they go.
        whole: what all of it is called, `the sweep`.
        command: continues it.

    Raises:
        StoppedError: if a signal asked to stop; the trials have saved.
    """

    def goes_on() -> bool:
        return any(entry.status == WAITING for entry in statuses)

    train_all(ListedTrials(statuses), launcher, retries, view, whole, command, goes_on)


def train_all(
    source: TrialSource,
    launcher: Launcher,
    retries: int,
    view: View,
    whole: str,
    command: str,
    goes_on: Callable[[], bool],
) -> None:
    """Run what a source gives; see `train_trials`.

    Args:
        source: of the trials.
        launcher: starts the processes; closed at the end.
        retries: how often a trial that crashed is continued.
        view: shows how they go.
        whole: what all of it is called, `the search`.
        command: continues it.
        goes_on: whether something is left to be done.

    Raises:
        StoppedError: if a signal asked to stop; the trials have saved.
    """
    stop = StopRequest("stopping: running trials save and end first; a second signal ends at once")
    try:
        with stop, view:
            run_trials(source, launcher, retries, view.report, stop.is_asked)
    finally:
        launcher.close()
    if stop.is_asked() and goes_on():
        say(f"stopped; nothing is lost, and {whole} goes on with: {command}", file=sys.stderr)
        raise stop.error()


def have_finished(statuses: Sequence[TrialStatus]) -> bool:
    """Whether there is nothing left to train."""
    return all(entry.status == FINISHED for entry in statuses)


def say_how_they_ended(statuses: Sequence[TrialStatus], kind: str, directory: Path) -> list[TrialStatus]:
    """Say which trials have failed and why, and how many have finished.

    Args:
        statuses: of all trials.
        kind: what they are called, `trials`.
        directory: where they lie.

    Returns:
        Those that have failed.
    """
    failed = [entry for entry in statuses if entry.status == FAILED]
    for entry in failed:
        say(f"failed: {entry.run_dir}: {entry.reason} (all of it: {entry.log})", file=sys.stderr)
    say(f"{len(statuses) - len(failed)} of {len(statuses)} {kind} finished: {directory}", file=sys.stderr)
    return failed
