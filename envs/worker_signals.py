"""Worker processes leave it to their parent when they end, so that it can save first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

_FROM_A_TERMINAL = (signal.SIGINT, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGINT,)


def make_in_worker(parent: int, make: Callable[[], Made]) -> Made:
    """Make an environment; if that happens in a worker process, outside signals no longer end it.

    A terminal sends Ctrl-C to all of a command's processes, and job schedulers end all of a job's. Workers that died of
    that would leave their parent an unfinished step. They end when their parent closes their pipe, or ends them.

    Args:
        parent: process id of the one that steps the environments.
        make: makes the environment.
    """
    if os.getpid() != parent:
        for number in _FROM_A_TERMINAL:
            signal.signal(number, signal.SIG_IGN)
        if hasattr(signal, "sigwaitinfo"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            threading.Thread(target=_wait_for_the_parent, args=(parent,), daemon=True).start()
    return make()


def held_back() -> set[signal.Signals] | None:
    """Hold Ctrl-C and hang-ups back in this thread while it starts processes, which inherit that.

    A new interpreter takes seconds until it can see to signals itself.

    Returns:
        For `let_through`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return None
    return {signal.Signals(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_A_TERMINAL)}


def let_through(before: set[signal.Signals] | None) -> None:
    """Undo `held_back`; what has come meanwhile comes now."""
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_for_the_parent(parent: int) -> None:
    """End this process once its parent says so: multiprocessing does it by SIGTERM, and waits."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(128 + signal.SIGTERM)
