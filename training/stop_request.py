"""Signals that ask a run to end: it ends at the next place where nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from engram.common.errors import StoppedError

# Not every system has all of them.
SIGNALS = tuple(one for one in signal.Signals if one.name in ("SIGINT", "SIGTERM", "SIGHUP"))
# How a process ends that one of them was sent to: by itself, or by the signal.
STOP_CODES = (*(128 + number for number in SIGNALS), *(-number for number in SIGNALS))
# A terminal that is closed, and some job schedulers, send more than one signal at once: they are one request.
SAME_REQUEST_SECONDS = 0.5


class StopRequest:
    """Takes note of the first signal that asks this process to end; a second one ends it at once.

    To be used in a `with`. Outside the main thread signals cannot be handled, and nothing changes; a signal that is
    ignored, as under `nohup`, stays so.

    Args:
        notice: what to tell the user at the first signal; None: nothing.
        ends_process: whether a second signal ends the process at once; otherwise it does what it would have done
            without this object: from the keyboard it raises KeyboardInterrupt.
    """

    def __init__(self, notice: str | None, ends_process: bool = True) -> None:
        self._notice, self._ends_process = notice, ends_process
        self._signal: int | None = None
        self._asked_at = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    def is_asked(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    def error(self) -> StoppedError:
        """Make the error that ends the command with the signal's exit code, 128 + its number."""
        assert self._signal is not None
        return StoppedError(128 + self._signal)

    def pass_on(self) -> None:
        """Let the signal do what it would have done without this object, now that nothing is lost by it."""
        if self._signal is not None:
            signal.raise_signal(self._signal)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        self._put_back()

    def _put_back(self) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked():
            if time.monotonic() - self._asked_at > SAME_REQUEST_SECONDS:
                _tell("ended at once")
                if self._ends_process:
                    os._exit(128 + number)
                self._put_back()
                signal.raise_signal(number)
            return
        self._signal, self._asked_at = number, time.monotonic()
        if self._notice is not None:
            _tell(self._notice)


def _tell(text: str) -> None:
    """Write a line past Python's buffers, which may be in use where a signal interrupts."""
    try:
        os.write(2, f"\n{text}\n".encode())
    except OSError:  # the terminal is gone
        return


class SaveTimer:
    """Tells when it is time for a checkpoint by the clock.

    Args:
        minutes: between checkpoints; None: never.
        clock: seconds.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._minutes, self._clock = minutes, clock
        self.restart()

    def restart(self) -> None:
        """Count from now."""
        self._start = self._clock()

    def is_due(self) -> bool:
        """Whether the time is over."""
        return self._minutes is not None and self._clock() - self._start >= 60 * self._minutes
