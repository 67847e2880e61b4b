"""Free actors: whoever is first is learnt from first, and nobody is waited for but one that would be too old."""

from __future__ import annotations

from typing import Any

from engram.training.actors.driver import ActorDriver
from engram.training.actors.messages import Packed, Task

CREDITS = 2
"""Rollouts that an actor may be ahead: one is made while the other one waits for the learner."""


class FreeDriver(ActorDriver):
    """Version u learns from as many rollouts as there are actors, the first to come; one actor may give several.

    Before a rollout would become older than the bound it is waited for. That is always in time: of each version at most
    as many rollouts are asked for as one update takes, but for version 0, of which one update takes the first and
    another one the next before the bound, which is 2 or more, is reached.

    Args:
        *arguments: of `ActorDriver`.
        lag: the bound.
    """

    def __init__(self, *arguments: Any, lag: int) -> None:
        super().__init__(*arguments)
        self.lag = lag
        self._asked = [0 for _ in self._seats]

    def take(self, length: int) -> list[Packed]:
        """See `ActorDriver`."""
        for seat in range(len(self._seats)):
            while len(self.crew.in_flight[seat]) < CREDITS:
                self._ask_next(seat, length)
        taken: list[Packed] = []
        while len(taken) < len(self._seats):
            oldest = {seat: own[0].task.version for seat, own in enumerate(self.crew.in_flight)}
            due = [seat for seat, version in oldest.items() if self.version - version >= self.lag]
            num_due = sum(
                self.version - one.task.version >= self.lag for own in self.crew.in_flight for one in own
            )
            only_due = num_due >= len(self._seats) - len(taken)
            played = self.crew.take_first(due if only_due else list(oldest))
            taken.append(played)
            self._ask_next(played["seat"], length)
        return taken

    def _ask_next(self, seat: int, length: int) -> None:
        self.crew.ask(seat, Task(self._asked[seat], self.version, self.env_steps, length))
        self._asked[seat] += 1
