"""Environments in processes of their own, whose errors arrive with the traceback they had there."""

from __future__ import annotations

import queue
from collections.abc import Iterable
from typing import Any

from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState

_SECONDS = 10.0  # until an error has come through its queue


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
    ever for an error that cannot be pickled.
    """

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        failed = [index for index, success in enumerate(successes) if not success]
        if not failed:
            return
        errors = [self._next_error() for _ in failed]
        for index in failed:
            self.parent_pipes[index].close()
            self.parent_pipes[index] = None  # type: ignore[call-overload]
        self._state = AsyncState.DEFAULT
        error, text = errors[0]
        raise error from WorkerTraceback(text)

    def _next_error(self) -> tuple[BaseException, str]:
        """Take the next error and its traceback from the workers' queue."""
        try:
            _, kind, value, text = self.error_queue.get(timeout=_SECONDS)
            return value if isinstance(value, BaseException) else kind(value), text
        except (queue.Empty, TypeError) as error:
            lost = RuntimeError(
                "An environment failed in its process with an error that cannot be sent to this one; set "
                "vectorization='sync' to see it."
            )
            return lost, f"{type(error).__name__}: {error}\n"
