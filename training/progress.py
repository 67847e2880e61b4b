"""What a person sees while a run goes on."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Column

from engram.common.say import say
from engram.training.callbacks import Callback, Trainer
from engram.training.record import Metrics

_WINDOW_SECONDS = 60.0  # of the speed that foretells the end, or a quarter of the run if that is longer
_MARKS = 500  # of the window, about
_SHORTEST_BAR, _LONGEST_BAR = 10, 30
_SEPARATOR = "  "


class ProgressLine(Callback):
    """Where a run stands, how long it still takes, and what it is worth; plain lines where there is no terminal.

    Args:
        total_env_steps: budget.
        env_steps: where a continued run stands.
        enabled: False prints nothing.
        every_seconds: at most one plain line in so many seconds.
        prefill: environment steps before the first update, whose speed says nothing about the rest.
        console: where to draw. Default: standard error, if it is a terminal.
        clock: seconds from any point in time.
    """

    def __init__(
        self,
        total_env_steps: int,
        env_steps: int = 0,
        enabled: bool = True,
        every_seconds: float = 10.0,
        prefill: int = 0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._enabled, self._every_seconds, self._clock = enabled, every_seconds, clock
        self._total = total_env_steps
        self._speed = RecentSpeed(prefill, clock)
        self._speed.note(env_steps)
        self._last_line = clock()
        self._shown: dict[str, str] = {}
        self._evaluation: tuple[float, int] | None = None
        self._bar: Progress | None = None
        if enabled and (console is not None or sys.stderr.isatty()):
            # The line is as long as the terminal is wide; nothing of it is cut or wrapped by others.
            column = TextColumn("{task.fields[line]}", markup=False, table_column=Column(no_wrap=True))
            self._bar = Progress(column, console=console or Console(stderr=True))
            self._task = self._bar.add_task(
                "", total=None, line=self._line(env_steps, self._bar.console.width)
            )
            self._bar.start()

    def update(self, metrics: dict[str, float], env_steps: int) -> None:
        """Show the newest metrics at `env_steps`."""
        self._speed.note(env_steps)
        if "charts/episodic_return" in metrics:
            self._shown["return"] = f"return {metrics['charts/episodic_return']:.3g}"
        if "charts/SPS" in metrics:
            self._shown["speed"] = f"{metrics['charts/SPS']:,.0f} steps/s"
        if "eval/episodic_return" in metrics:
            self._evaluation = metrics["eval/episodic_return"], env_steps
        if self._bar is not None:
            self._bar.update(self._task, line=self._line(env_steps, self._bar.console.width))
        elif self._enabled and ("eval/episodic_return" in metrics or self._line_is_due()):
            self._last_line = self._clock()
            say(self._line(env_steps, None), file=sys.stderr)

    def on_log(self, trainer: Trainer, metrics: Metrics) -> None:
        """Show the newest metrics."""
        self.update(metrics, trainer.env_steps)

    def on_end(self, trainer: Trainer) -> None:
        """Leave the terminal as it was."""
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _line_is_due(self) -> bool:
        return self._clock() - self._last_line >= self._every_seconds

    def _line(self, env_steps: int, width: int | None) -> str:
        """The whole line, the most important first; `width` None has room for everything, but no bar."""
        position = f"{env_steps:,}/{self._total:,}"
        evaluation = "" if self._evaluation is None else f"eval {self._evaluation[0]:.3g}"
        if self._evaluation is not None:
            age = env_steps - self._evaluation[1]
            evaluation += f" ({short_count(age)} steps ago)" if age else " (now)"
        seconds = self._speed.seconds_for(self._total - env_steps)
        left = "" if seconds is None else f"{clock_time(seconds)} left"
        parts = [position, evaluation, left, self._shown.get("return", ""), self._shown.get("speed", "")]
        parts = fit([part for part in parts if part], width, always=2 if evaluation else 1)
        if width is None:
            return _SEPARATOR.join(parts)
        room = width - len(_SEPARATOR.join(["", *parts])) - 1
        bar = bar_text(env_steps / self._total, min(room, _LONGEST_BAR)) if room >= _SHORTEST_BAR else None
        return _SEPARATOR.join([parts[0], *([bar] if bar else []), *parts[1:]])


class RecentSpeed:
    """Environment steps per second of late.

    Args:
        prefill: steps that come much faster than those after them, and foretell nothing.
        clock: seconds from any point in time.
    """

    def __init__(self, prefill: int, clock: Callable[[], float]) -> None:
        self._prefill, self._clock = prefill, clock
        self._marks: deque[tuple[float, int]] = deque()
        self._first: float | None = None

    def note(self, env_steps: int) -> None:
        """Say how far the run is now."""
        now = self._clock()
        if self._marks and self._marks[-1][1] < self._prefill:
            self._marks.clear()
        if not self._marks:
            self._first = now
        self._marks.append((now, env_steps))
        assert self._first is not None
        window = max(_WINDOW_SECONDS, (now - self._first) / 4)
        # The window of a long run is long: marks that lie close together say no more than some of them.
        if len(self._marks) > 3 and now - self._marks[-3][0] < window / _MARKS:
            del self._marks[-2]
        while len(self._marks) > 2 and self._marks[1][0] <= now - window:
            self._marks.popleft()

    def seconds_for(self, env_steps: int) -> float | None:
        """How long so many steps will take; None where nothing can be said yet."""
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        if after <= before or end <= start:
            return 0.0 if env_steps <= 0 else None
        return max(env_steps, 0) * (end - start) / (after - before)


def fit(parts: Sequence[str], width: int | None, always: int) -> list[str]:
    """Keep as many parts as a line has room for.

    Args:
        parts: the most important first.
        width: of the line; None: any.
        always: so many parts are kept in any case.
    """
    kept = list(parts[:always])
    for part in parts[always:]:
        if width is None or len(_SEPARATOR.join([*kept, part])) < width:
            kept.append(part)
    return kept


def bar_text(share: float, length: int) -> str:
    """Draw a bar of so many characters of which a share is filled."""
    filled = round(min(max(share, 0.0), 1.0) * length)
    return "━" * filled + "╌" * (length - filled)


def short_count(count: int) -> str:
    """Write a count in at most five characters, such as 512, 2.5k, 40k or 1.2M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            value = count / size
            return f"{value:.1f}{letter}".replace(".0", "") if value < 10 else f"{value:.0f}{letter}"
    return str(count)


def clock_time(seconds: float) -> str:
    """Write a time as hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
