"""Where the time of one long call goes: its parts, told apart by the methods it calls."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from engram.benchmarks.timing import now


class Stopwatch:
    """Attributes every moment between a start and a stop to one part.

    On a CUDA device every lap waits for the device, so that a part is charged with its own kernels; the whole is then
    longer than when the host runs ahead.

    Args:
        device: that does the work.

    Attributes:
        waits: whether laps wait for the device; if not, only the sum of all parts means something there.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self.waits = device, True
        self._last = 0.0
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def start(self) -> None:
        """Forget what was measured, and begin."""
        self._seconds.clear()
        self._last = now(self._device)

    def lap(self, part: str) -> None:
        """Charge the time since the lap before to `part`."""
        self._charge(part, now(self._device) if self.waits else time.perf_counter())

    def _charge(self, part: str, moment: float) -> None:
        self._seconds[part] += moment - self._last
        self._last = moment

    def stop(self, part: str) -> dict[str, float]:
        """Charge the rest to `part`; returns the seconds of every part, which sum to the whole."""
        self._charge(part, now(self._device))
        return dict(self._seconds)

    def wrap(self, owner: Any, method: str, part: str, before: str) -> None:
        """Charge one object's method to a part.

        Args:
            owner: whose method; the method is replaced on this object alone.
            method: its name.
            part: charged with the method, less what wrapped methods it calls charge to theirs.
            before: charged with the time from the lap before to the call.
        """
        call: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.lap(before)
            result = call(*args, **kwargs)
            self.lap(part)
            return result

        setattr(owner, method, timed)
