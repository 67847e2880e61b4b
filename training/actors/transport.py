"""What the learner needs of whatever runs its actors: processes of Ray, or threads where that is tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engram.training.actors.actor import Seat


class ActorLostError(Exception):
    """An actor's process has ended; the text is what is known of why."""


class Transport(Protocol):
    """Runs actors, each in a process of its own, and brings them what they are asked.

    A handle stands for what will come: it is waited for, got, or given to another call as an argument.
    """

    def launch(self, seat: Seat) -> None:
        """Start the actor of a seat; a former one there is ended."""

    def put(self, value: Any) -> Any:
        """Bring a value to where all actors find it; returns a handle."""

    def call(self, seat: int, method: str, *arguments: Any, results: int = 1) -> list[Any]:
        """Ask an actor for a method's results, after all that it was asked before; returns a handle of each."""

    def wait(self, handles: Sequence[Any]) -> Any:
        """Wait until a first one of these handles can be got, or has failed, and return it."""

    def get(self, handle: Any) -> Any:
        """Get what a handle stands for.

        Raises:
            ActorLostError: if the actor's process ended before.
            Exception: whatever the actor raised, caused by a `WorkerTraceback`.
        """

    def close(self) -> None:
        """End all actors."""
