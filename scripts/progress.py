"""What a person sees while a run goes on."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressLine:
    """A progress bar with steps per second, remaining time and returns; plain lines where there is no terminal.

    Args:
        total_env_steps: budget.
        env_steps: where a continued run stands.
        enabled: False prints nothing.
        every_seconds: at most one plain line in so many seconds.
    """

    def __init__(
        self, total_env_steps: int, env_steps: int = 0, enabled: bool = True, every_seconds: float = 10.0
    ) -> None:
        self._enabled, self._every_seconds = enabled, every_seconds
        self._total, self._start_steps = total_env_steps, env_steps
        self._start = self._last_line = time.monotonic()
        self._shown: dict[str, float] = {}
        self._bar: Progress | None = None
        if enabled and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[status]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(
                "env steps", total=total_env_steps, completed=env_steps, status=""
            )
            self._bar.start()

    def update(self, metrics: dict[str, float], env_steps: int) -> None:
        """Show the newest metrics at `env_steps`."""
        names = {"charts/SPS": "steps/s", "charts/episodic_return": "return", "eval/episodic_return": "eval"}
        self._shown |= {short: metrics[key] for key, short in names.items() if key in metrics}
        status = "  ".join(
            f"{name} {value:.3g}" if name != "steps/s" else f"{value:,.0f} steps/s"
            for name, value in self._shown.items()
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=min(env_steps, self._total), status=status)
        elif self._enabled and ("eval/episodic_return" in metrics or self._line_is_due()):
            self._last_line = time.monotonic()
            print(
                f"{env_steps:>12,} / {self._total:,}  {status}  {self._remaining(env_steps)} left",
                file=sys.stderr,
            )

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _line_is_due(self) -> bool:
        return time.monotonic() - self._last_line >= self._every_seconds

    def _remaining(self, env_steps: int) -> str:
        elapsed, done = time.monotonic() - self._start, max(env_steps - self._start_steps, 1)
        seconds = int(elapsed / done * max(self._total - env_steps, 0))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
