"""When what happens in an endless Mortar Mayhem to who makes no fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Whole = TypeVar("Whole", int, Tensor)


@dataclass(frozen=True)
class EndlessSchedule:
    """The rows of an episode by its rounds: each shows one more command, and has the whole list carried out.

    Attributes:
        initial_commands: on the list in round 0, which shows them all.
        show_duration: rows on which a command is shown.
        show_delay: rows after each without a sign.
        explosion_delay: actions from the end of an explosion to the next.
        explosion_duration: actions while which tiles explode.
    """

    initial_commands: int
    show_duration: int
    show_delay: int
    explosion_delay: int
    explosion_duration: int

    @property
    def show_period(self) -> int:
        """Rows from the sign of a command to that of the next."""
        return self.show_duration + self.show_delay

    @property
    def period(self) -> int:
        """Actions from one explosion to the next."""
        return self.explosion_delay + self.explosion_duration

    def last_explosion(self, number: Whole) -> Whole:
        """After how many actions the last explosion of round `number` begins."""
        rounds = number + 1
        explosions = rounds * self.initial_commands + number * rounds // 2
        shown = (self.initial_commands + number) * self.show_period
        return shown + self.explosion_delay + (explosions - 1) * self.period

    def explosions_within(self, steps: int) -> int:
        """How many explosions begin within so many actions."""
        done, number = 0, 0
        while (last := self.last_explosion(number)) <= steps:
            done, number = done + self.initial_commands + number, number + 1
        first = last - (self.initial_commands + number - 1) * self.period
        return done + max(0, (steps - first) // self.period + 1)

    def last_shown(self, command: Tensor) -> Tensor:
        """On which row a command's sign is seen for the last time, by its number on the list, int64 [B]."""
        in_first_round = command * self.show_period + self.show_duration - 1
        round_before = (command - self.initial_commands).clamp(min=0)
        later = self.last_explosion(round_before) + self.show_duration
        return torch.where(command < self.initial_commands, in_first_round, later)
