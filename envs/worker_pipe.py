"""The pipe to one environment's process: whoever does not answer is named, and nobody is waited for without end."""

from __future__ import annotations

import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from engram.common.errors import WorkerFault

# A wait is cut into slices, each of which counts as its own length at most: a job that was stopped and goes on
# (Ctrl-Z, a suspended machine) is not taken for one that hangs.
_SLICES = 16
WORKER_TIMEOUT = 600.0  # seconds, where nothing else is said
_END_SECONDS = 5.0  # until a process whose pipe is closed has ended


class WorkerPipe:
    """Gymnasium's end of the pipe to one process; stands in for the `Connection`.

    Args:
        pipe: the parent's end.
        process: at the other end.
        index: of its environment, for messages.
        timeout: seconds to wait for an answer; None waits for ever.
    """

    def __init__(self, pipe: Connection, process: BaseProcess, index: int, timeout: float | None) -> None:
        self._pipe, self._process, self._index, self._timeout = pipe, process, index, timeout
        self.patience = 1.0

    def send(self, message: Any) -> None:
        """Send; WorkerFault if the process has ended."""
        try:
            self._pipe.send(message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._ended() from error

    def recv(self) -> Any:
        """Wait for the answer; WorkerFault if the process has ended or is silent for `timeout * patience` seconds."""
        self._wait()
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._ended() from error

    def _wait(self) -> None:
        if self._timeout is None:
            return
        seconds = self._timeout * self.patience
        for _ in range(_SLICES):
            if self._pipe.poll(seconds / _SLICES):
                return
        raise WorkerFault(
            f"The process of environment {self._index} must answer within {seconds:g} seconds, but it did not: it "
            "hangs, or worker_timeout must be longer (null waits for ever)."
        )

    def _ended(self) -> WorkerFault:
        self._process.join(_END_SECONDS)
        return WorkerFault(
            f"The process of environment {self._index} must live as long as its run, but it "
            f"{_how_it_ended(self._process.exitcode)}; find out why, or take fewer environments."
        )

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Whether an answer is there within so many seconds."""
        return self._pipe.poll(timeout)

    def fileno(self) -> int:
        """Of the pipe; `multiprocessing.connection.wait` takes what has one."""
        return self._pipe.fileno()

    def close(self) -> None:
        """Close this end."""
        self._pipe.close()

    @property
    def closed(self) -> bool:
        """Whether this end is closed."""
        return self._pipe.closed


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "closed its pipe"
    if code >= 0:
        return f"ended with exit code {code}"
    number = -code
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    killer = ", as a system does that runs out of memory" if name == "SIGKILL" else ""
    return f"was ended by {name}{killer}"
