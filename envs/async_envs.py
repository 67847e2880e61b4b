"""Environments in processes of their own: what happens to one arrives as it was, and none is waited for without end."""

from __future__ import annotations

import errno
import gc
import os
import queue
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import Any, cast

from gymnasium.error import CustomSpaceError
from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState, _async_worker

from engram.envs.worker_pipe import WorkerPipe
from engram.envs.worker_signals import held_back, let_through

_SECONDS = 10.0  # until an error has come through its queue
_CLOSE_SECONDS = 10.0  # for environments to close, before their processes are ended


class WorkerTraceback(Exception):
    """The traceback of an error in another process, as text: the cause of what is raised in this one.

    Args:
        text: as Python prints it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class AsyncEnvs(AsyncVectorEnv[Any, Any]):
    """Gymnasium's vector of processes, but an environment's error is raised as it was, caused by a `WorkerTraceback`.

    Gymnasium prints the traceback through `%`, which fails where the code of the error holds a `%`, and it waits for
    ever for an error that cannot be pickled, and for a process that was killed or hangs: here that is a `WorkerFault`.

    Args:
        env_fns: make the environments.
        worker_timeout: seconds to wait for any answer; None waits for ever.
        first_index: index in the run of the first environment, for messages.
        options: as of Gymnasium's vector.
    """

    def __init__(
        self, env_fns: Any, *, worker_timeout: float | None = None, first_index: int = 0, **options: Any
    ) -> None:
        self._worker_timeout, self._first_index = worker_timeout, first_index
        self._signals = held_back()
        try:
            super().__init__(env_fns, worker=_work, **options)
        except BaseException:
            if getattr(self, "processes", None):
                self.close_extras(terminate=True)
            raise
        finally:
            let_through(self._signals)

    def _check_spaces(self) -> None:
        # The first thing that Gymnasium asks the processes, which have all been started now.
        let_through(self._signals)
        self._pipes = [
            WorkerPipe(pipe, process, self._first_index + index, self._worker_timeout)
            for index, (pipe, process) in enumerate(zip(self.parent_pipes, self.processes, strict=True))
        ]
        self.parent_pipes = cast(Any, list(self._pipes))
        super()._check_spaces()

    @contextmanager
    def patience(self, factor: float) -> Iterator[None]:
        """Wait so many times as long within the block, for an answer that takes so many steps."""
        for pipe in self._pipes:
            pipe.patience = factor
        yield
        for pipe in self._pipes:
            pipe.patience = 1.0

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        failed = [index for index, success in enumerate(successes) if not success]
        if not failed:
            return
        errors = [self._next_error() for _ in failed]
        for index in failed:
            self.parent_pipes[index].close()
            self.parent_pipes[index] = None  # type: ignore[call-overload]
        self._state = AsyncState.DEFAULT
        known, error, text = errors[0]
        index = failed[0] if known is None else known
        error.add_note(f"It was raised by environment {self._first_index + index}, in a process of its own.")
        raise error from WorkerTraceback(text)

    def _next_error(self) -> tuple[int | None, BaseException, str]:
        """Take the next error with its environment, if that is known, and its traceback from the workers' queue."""
        try:
            index, kind, value, text = self.error_queue.get(timeout=_SECONDS)
            return index, value if isinstance(value, BaseException) else kind(value), text
        except (queue.Empty, TypeError) as error:
            lost = RuntimeError(
                "An environment failed in its process with an error that cannot be sent to this one; set "
                "vectorization='sync' to see it."
            )
            return None, lost, f"{type(error).__name__}: {error}\n"

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """Let the environments close, for `timeout` seconds at most (10 by default), then end their processes.

        Nothing is waited for without end: what answers is read in whatever state a fault or Ctrl-C has left it.

        Args:
            timeout: seconds.
            terminate: do not wait for the environments.
        """
        pipes = [pipe for pipe in self.parent_pipes if pipe is not None and not pipe.closed]
        if not terminate and os.name == "posix":
            _close_politely(pipes, _CLOSE_SECONDS if timeout is None else timeout)
        started = [process for process in self.processes if process.pid is not None]
        for process in started:
            if process.is_alive():
                process.terminate()
        for pipe in pipes:
            pipe.close()
        for process in started:
            process.join(_CLOSE_SECONDS)
            if process.is_alive():  # stuck in a call that never comes back to Python
                process.kill()
                process.join()


def make_async(thunks: list[Any], **options: Any) -> AsyncEnvs:
    """Step environments in processes of their own.

    Observations go through shared memory, but for those with a part of a kind that it cannot hold, such as MiniGrid's
    mission; these are sent, which is slower.

    Args:
        thunks: make the environments.
        options: as of `AsyncEnvs`.

    Raises:
        OSError: if there is no room for shared memory, without which processes cannot even have a queue.
    """
    try:
        try:
            return AsyncEnvs(thunks, **options)
        except (TypeError, ValueError) as error:
            if not isinstance(error.__cause__, CustomSpaceError) and "shared memory" not in str(error):
                raise
            return AsyncEnvs(thunks, shared_memory=False, **options)
    except OSError as error:
        if error.errno != errno.ENOSPC or isinstance(error.__cause__, WorkerTraceback):
            raise  # the latter are an environment's own
        raise OSError(
            errno.ENOSPC,
            "Environments in processes of their own need room in shared memory, but /dev/shm has none left; free it, "
            "make it larger (docker run --shm-size=1g), or set vectorization=sync",
        ) from error


def _close_politely(pipes: list[Any], seconds: float) -> None:
    """Ask processes to close their environments, and wait until they have ended; what they still say is dropped."""
    until = time.monotonic() + seconds
    for pipe in pipes:
        with suppress(Exception):  # it has ended already
            pipe.send(("close", None))
    while pipes and (left := until - time.monotonic()) > 0:
        for pipe in cast(list[Any], wait(pipes, left)):
            # Bytes, not messages: one may have been read in part when Ctrl-C came.
            try:
                is_over = not os.read(pipe.fileno(), 1 << 16)
            except OSError:
                is_over = True
            if is_over:
                pipes = [other for other in pipes if other is not pipe]


def _work(index: int, env_fn: Any, pipe: Any, parent_pipe: Any, memory: Any, errors: Any, *rest: Any) -> None:
    """Gymnasium's worker, but an environment that cannot be made is an error like any other.

    It ends without a word once its parent is gone, since nobody is left to hear it.
    """
    # What a fork has from its parent is no garbage of its own, and to look at it would copy all of its pages.
    gc.freeze()
    try:
        try:
            env = env_fn()
        except Exception as error:
            parent_pipe.close()
            pipe.recv()
            errors.put((index, type(error), error, traceback.format_exc()))
            pipe.send((None, False))
            return
        _async_worker(index, lambda: env, pipe, parent_pipe, memory, errors, *rest)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        errors.cancel_join_thread()
        sys.exit(0)
