"""What a person sees of several seeds: one line for all of them, and a sentence about each that ends or is lost."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Column

from engram.common.say import say
from engram.scripts.sweeps.loop import FAILED, FINISHED, RUNNING, WAITING, TrialStatus
from engram.training.progress import RecentSpeed, bar_text, clock_time, fit

_SEPARATOR = "  "
_BAR = 20


class SeedsLine:
    """Where all seeds stand together; plain lines where there is no terminal.

    Args:
        statuses: of all seeds; looked at whenever something is reported.
        total_env_steps: budget of each.
        enabled: False shows no line, but says what is lost all the same.
        every_seconds: at most one plain line in so many seconds.
        clock: seconds from any point in time.
    """

    def __init__(
        self,
        statuses: Sequence[TrialStatus],
        total_env_steps: int,
        enabled: bool = True,
        every_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._statuses, self._each, self._enabled = statuses, total_env_steps, enabled
        self._every_seconds, self._clock = every_seconds, clock
        self._last_line, self._last_look = clock(), clock()
        self._speed = RecentSpeed(0, clock)
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        self._speed.note(self._done())
        if self._enabled and sys.stderr.isatty():
            column = TextColumn("{task.fields[line]}", markup=False, table_column=Column(no_wrap=True))
            self._bar = Progress(column, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=None, line=self.line(self._bar.console.width))
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(self, changed: TrialStatus | None) -> None:
        """Say what has become of a seed, or show that time goes on."""
        if changed is not None and (sentence := sentence_about(changed)):
            say(sentence, file=sys.stderr)
        now = self._clock()
        if not self._enabled or now - self._last_look < 1.0:
            return
        self._last_look = now
        self._speed.note(self._done())
        if self._bar is not None:
            self._bar.update(self._task, line=self.line(self._bar.console.width))
        elif now - self._last_line >= self._every_seconds:
            self._last_line = now
            say(self.line(None), file=sys.stderr)

    def line(self, width: int | None) -> str:
        """The whole line, the most important first; `width` None has room for everything, but no bar."""
        count, total = len(self._statuses), len(self._statuses) * self._each
        number = {
            kind: sum(entry.status == kind for entry in self._statuses)
            for kind in (RUNNING, FINISHED, FAILED)
        }
        seeds = [f"{amount} {kind}" for kind, amount in number.items() if amount]
        returns = [e.state.episodic_return for e in self._statuses if e.state.episodic_return is not None]
        mean = f"return {statistics.fmean(returns):.3g} ({len(returns)} seeds)" if returns else ""
        done = self._done()
        seconds = self._speed.seconds_for(total - done)
        left = "" if seconds is None else f"{clock_time(seconds)} left"
        speed = f"{(total - done) / seconds:,.0f} steps/s" if seconds else ""
        parts = [f"{done:,}/{total:,}", f"{count} seeds: {', '.join(seeds) or WAITING}", mean, left, speed]
        parts = fit([part for part in parts if part], width, always=1)
        if width is not None and width - len(_SEPARATOR.join(parts)) > _BAR + len(_SEPARATOR):
            parts.insert(1, bar_text(done / total, _BAR))
        return _SEPARATOR.join(parts)

    def _done(self) -> int:
        """Environment steps that need not be made any more: all of a seed that has ended."""
        over = (FINISHED, FAILED)
        return sum(
            self._each if entry.status in over else min(entry.state.env_steps, self._each)
            for entry in self._statuses
        )


def sentence_about(entry: TrialStatus) -> str:
    """What has become of a seed whose status has changed; empty while all is as it should be."""
    seed, steps = entry.trial.values["seed"], f"{entry.state.env_steps:,} steps"
    if entry.status == FINISHED:
        value = entry.state.episodic_return
        return f"seed {seed} finished after {steps}" + ("" if value is None else f", return {value:.3f}")
    reason = entry.reason.removeprefix("error: ").rstrip(".")
    if entry.status == WAITING and reason:
        return f"seed {seed}: {reason}; it goes on from its last checkpoint, the others are not touched"
    if entry.status == FAILED:
        return f"seed {seed}: {reason}; it is left at {steps}, the others go on"
    return ""
