"""The actors of a run: what each is asked for, and how one that has died is put back where it was."""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engram.common.errors import WorkerFault
from engram.common.say import say
from engram.training.actors.actor import Seat
from engram.training.actors.messages import Packed, Task
from engram.training.actors.transport import ActorLostError, Transport

MOST_LOSSES = 3
"""How often an actor may die without finishing a rollout."""


@dataclass(eq=False)
class InFlight:
    """A rollout that an actor was asked for and that has not been learnt from.

    Attributes:
        seat: number of the actor.
        task: what it was asked for.
        played: handle of the rollout.
        state: handle of the actor's state after it.
    """

    seat: int
    task: Task
    played: Any
    state: Any


class Crew:
    """Actors, each with the rollouts it was asked for, in order.

    The state before the oldest of these is kept, and the parameters of all: from them an actor that has died is made
    anew, and asked for the same again. So every rollout is learnt from once, and is the same however often it is made.

    Args:
        transport: runs the actors.
        seats: of the actors.
        carries: the agent's initial carry of each.
    """

    def __init__(
        self,
        transport: Transport,
        seats: Sequence[Seat],
        carries: Sequence[Packed],
    ) -> None:
        self._transport, self._seats, self._carries = transport, seats, carries
        self._before: list[Any] = []
        self._parameters: dict[int, Any] = {}
        self._losses = [0 for _ in seats]
        self.in_flight: list[deque[InFlight]] = [deque() for _ in seats]
        for seat in seats:
            transport.launch(seat)

    def begin(self, method: str, arguments: Sequence[Any]) -> list[Packed]:
        """Let all actors begin.

        Args:
            method: `start` or `load` of an `Actor`.
            arguments: the first of each actor's.

        Returns:
            `row` and `carry` of each.
        """
        handles = [
            self._transport.call(seat.index, method, own, carry, results=2)
            for seat, own, carry in zip(self._seats, arguments, self._carries, strict=True)
        ]
        try:
            begun = [self._transport.get(first) for first, _ in handles]
        except ActorLostError as error:
            raise WorkerFault(
                f"The process of an actor must live as long as its run, but one ended while it began ({error}); see "
                "that every machine of the cluster has this version of Engram, and room for its environments."
            ) from error
        self._before = [state for _, state in handles]
        for text in dict.fromkeys(text for one in begun for text in one["warnings"]):
            warnings.warn(text, stacklevel=2)
        return begun

    def publish(self, version: int, parameters: Any) -> None:
        """Bring parameters to all actors, unless they are there."""
        if version not in self._parameters:
            self._parameters[version] = self._transport.put(parameters)

    def forget_before(self, version: int) -> None:
        """Drop parameters that no rollout in flight was asked for with, of versions before this one."""
        used = {one.task.version for own in self.in_flight for one in own}
        for old in [one for one in self._parameters if one < version and one not in used]:
            del self._parameters[old]

    def ask(self, seat: int, task: Task) -> None:
        """Ask an actor for a rollout, after those it was asked for before."""
        played, state = self._transport.call(seat, "collect", task, self._parameters[task.version], results=2)
        self.in_flight[seat].append(InFlight(seat, task, played, state))

    def take_first(self, among: Sequence[int]) -> Packed:
        """Wait until the oldest rollout of one of these actors is there, and take it.

        Raises:
            WorkerFault: if an actor dies again and again.
        """
        while True:
            oldest = {own.played: own for own in (self.in_flight[seat][0] for seat in among)}
            found = oldest[self._transport.wait(list(oldest))]
            try:
                played: Packed = self._transport.get(found.played)
            except ActorLostError as error:
                self._replace(found.seat, error)
                continue
            assert played["task"] == found.task, "an actor answers in order"
            self.in_flight[found.seat].popleft()
            self._before[found.seat], self._losses[found.seat] = found.state, 0
            return {**played, "seat": found.seat}

    def _replace(self, seat: int, error: ActorLostError) -> None:
        """Make an actor anew in the place of one that has died before its oldest rollout was there."""
        text = f"note: actor {seat} has ended and is started anew where it was ({error})"
        say(text, file=sys.stderr)
        lost: ActorLostError | None = error
        while lost is not None:
            self._losses[seat] += 1
            if self._losses[seat] > MOST_LOSSES:
                raise WorkerFault(
                    f"The process of an actor must live as long as its run, but that of actor {seat} has ended "
                    f"{MOST_LOSSES + 1} times in a row ({lost}); find out why, or take fewer environments."
                ) from None
            self._transport.launch(self._seats[seat])
            begun, _ = self._transport.call(seat, "load", self._before[seat], self._carries[seat], results=2)
            lost = self._gone(begun)
        asked, self.in_flight[seat] = self.in_flight[seat], deque()
        for one in asked:
            self.ask(seat, one.task)

    def _gone(self, begun: Any) -> ActorLostError | None:
        """Wait until an actor has begun; returns the error if it died."""
        try:
            self._transport.get(begun)
        except ActorLostError as error:
            return error
        return None

    def states(self) -> list[Packed]:
        """The state of every actor before the oldest rollout that it was asked for.

        Raises:
            WorkerFault: if the machine that kept one is gone.
        """
        try:
            return [self._transport.get(state) for state in self._before]
        except ActorLostError as error:
            raise WorkerFault(
                f"The machines of a run must live as long as the run, but one is gone ({error}); start others."
            ) from error

    def rows_collected(self) -> int:
        """Rows that all actors have collected, once they have done all that they were asked for."""
        asked = [self._transport.call(seat.index, "rows_collected")[0] for seat in self._seats]
        return sum(self._transport.get(one) for one in asked)

    def close(self) -> None:
        """End all actors."""
        self._transport.close()
