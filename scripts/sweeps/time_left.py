"""How long a sweep still takes, told from the trials that have finished."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from engram.scripts.sweeps.loop import FINISHED, RUNNING, WAITING, TrialStatus


def time_left(statuses: Sequence[TrialStatus], now: float) -> float | None:
    """Estimate the seconds until the last trial ends, if as many run at a time as do now.

    A trial is expected to take as long as those like it, seeds apart, that this call has trained, or else as all of
    them did on average.

    Args:
        statuses: of all trials.
        now: on the monotonic clock.

    Returns:
        None where no trial has finished in this call, or none is left.
    """
    times: dict[str, list[float]] = {}
    for entry in statuses:
        if entry.status == FINISHED and entry.attempts:
            times.setdefault(_kind(entry), []).append(entry.seconds)
    running = [entry for entry in statuses if entry.status == RUNNING]
    waiting = [entry for entry in statuses if entry.status == WAITING]
    if not times or not (running or waiting):
        return None
    usual = statistics.fmean(seconds for ours in times.values() for seconds in ours)

    def expected(entry: TrialStatus) -> float:
        spent = entry.seconds + (now - entry.started if entry.status == RUNNING else 0.0)
        return max(statistics.fmean(times.get(_kind(entry), [usual])) - spent, 0.0)

    # Whatever is free first takes the next trial.
    ends = sorted(map(expected, running)) or [0.0]
    for entry in waiting:
        ends = sorted([ends[0] + expected(entry), *ends[1:]])
    return ends[-1]


def _kind(entry: TrialStatus) -> str:
    return entry.trial.folder.parent.as_posix()
