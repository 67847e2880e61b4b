"""What a person sees of a sweep: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engram.common.printable import printable
from engram.common.say import say
from engram.scripts.sweeps.loop import FAILED, FINISHED, PRUNED, RUNNING, WAITING, TrialStatus
from engram.scripts.sweeps.time_left import time_left
from engram.training.progress import clock_time

_STYLES = {RUNNING: "cyan", FAILED: "bold red", FINISHED: "green", PRUNED: "yellow", WAITING: "dim"}
_ROWS_BELOW = 8  # what else has to fit on the screen


class SweepTable:
    """Shows what runs, what has finished, what has failed and why.

    Args:
        statuses: of all trials; looked at whenever something is reported.
        every_seconds: one plain line about the running trials in so many seconds.
        grows: more trials come, so that the time left is unknown.
    """

    def __init__(
        self, statuses: Sequence[TrialStatus], every_seconds: float = 30.0, grows: bool = False
    ) -> None:
        self._statuses, self._every_seconds, self._grows = statuses, every_seconds, grows
        self._console = Console(stderr=True)
        self._start = self._last_line = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._statuses:
            say(self._summary(), file=sys.stderr)
        if self._console.is_terminal:
            self._live = Live(self.table(), console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update(self.table(), refresh=True)
            self._live.stop()
        say(self._summary(), file=sys.stderr)

    def report(self, changed: TrialStatus | None) -> None:
        """Show a trial whose status has changed, or that time goes on."""
        if self._live is not None:
            if changed is not None or self._is_due(1.0):
                self._live.update(self.table(), refresh=True)
        elif changed is not None:
            say(plain_line(changed), file=sys.stderr)
            if changed.status in (FINISHED, FAILED) and self._seconds_left() is not None:
                say(self._summary(), file=sys.stderr)
        elif self._is_due(self._every_seconds):
            for entry in self._statuses:
                if entry.status == RUNNING:
                    say(plain_line(entry), file=sys.stderr)

    def table(self) -> Table:
        """The table as it stands: failed and running trials first, then as many others as fit."""
        order = {RUNNING: 0, FAILED: 1, FINISHED: 2, PRUNED: 3, WAITING: 4}
        room = max(self._console.height - _ROWS_BELOW, 4)
        table = Table(title=self._summary(), title_justify="left", title_style="")
        for name in ("trial", "status", "env steps", "return", "minutes"):
            table.add_column(
                name, justify="left" if name in ("trial", "status") else "right", overflow="fold"
            )
        ranked = sorted(self._statuses, key=lambda entry: (order[entry.status], -entry.started))
        for entry in ranked[:room]:
            label = f"{entry.status}: {entry.reason}" if entry.status == FAILED else _label(entry)
            steps, minutes = f"{entry.state.env_steps:,}", f"{_seconds(entry) / 60:.1f}"
            cells = (entry.trial.folder.as_posix(), label, steps, _return(entry), minutes)
            # Neither a terminal nor Rich, to which brackets are markup, obeys what is in a name.
            table.add_row(*(Text(printable(cell)) for cell in cells), style=_STYLES[entry.status])
        return table

    def _summary(self) -> str:
        counts = [(status, sum(entry.status == status for entry in self._statuses)) for status in _STYLES]
        parts = [f"{count} {status}" for status, count in counts if count]
        seconds = self._seconds_left()
        left = "" if seconds is None else f"; about {clock_time(seconds)} left"
        return f"{len(self._statuses)} trials: {', '.join(parts)}{left}"

    def _seconds_left(self) -> float | None:
        return None if self._grows else time_left(self._statuses, time.monotonic())

    def _is_due(self, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._last_line < seconds:
            return False
        self._last_line = now
        return True


def plain_line(entry: TrialStatus) -> str:
    """One trial in one line."""
    line = f"{_label(entry):<10} {entry.trial.folder}  {entry.state.env_steps:,} env steps"
    if entry.state.episodic_return is not None:
        line += f"  return {_return(entry)}"
    if entry.reason and entry.status in (FAILED, WAITING):
        line += f"  {entry.reason}"
    return line


def _label(entry: TrialStatus) -> str:
    if entry.status == WAITING and entry.reason:
        return "again"
    return entry.status


def _return(entry: TrialStatus) -> str:
    value = entry.state.episodic_return
    return "" if value is None else f"{value:.3f}"


def _seconds(entry: TrialStatus) -> float:
    return entry.seconds + (time.monotonic() - entry.started if entry.status == RUNNING else 0.0)
