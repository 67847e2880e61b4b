"""Key to Door: a key taken at the beginning opens a door at the end, with an orchard between."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_prefix, purpose, randint
from engram.envs.beginnings import redrawn
from engram.envs.hidden import Hidden
from engram.envs.tvt.boards import (
    DOOR,
    INDICATOR,
    KEY,
    KEY_EXPLORE,
    KEY_REWARD,
    NUM_CELLS,
    ORCHARD,
    WIDTH,
    cells_of,
)
from engram.envs.tvt.three_phases import EXPLORE, EXPLORE_LENGTH, REWARD, ThreePhases

_KEY, _START = purpose("key"), purpose("start")
_DOOR_CELL, _INDICATOR_CELL = WIDTH + 5, 5
# By delay, the mean return of uniformly random actions with ten apples, measured over 20,000 episodes.
CHANCE_RETURNS = {30: 2.95, 60: 5.56}


class KeyToDoor(ThreePhases):
    """Take the key, and much later go through the door that it opens; Hung et al. (2019), as Ni et al. (2023) play it.

    In the first phase a key lies in a room; who walks over it has it, which a white mark shows on one row. In the last
    phase, of 10 actions, the player stands in a room whose door only the key opens: going through is worth 5, once.
    Nothing shows whether the player has the key; the credit for taking it comes `delay` actions and their apples later.

    The orchard, rows and arguments are those of `engram.envs.tvt.three_phases.ThreePhases`.

    Args:
        num_envs: number of environments B.
        delay: actions in the orchard.
        num_apples: in the orchard at once.
        observation: `symbols`, categories of 5 x 5 cells, or `pixels`, uint8 [5, 5, 3].
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        delay: Count = 60,
        num_apples: Annotated[int, Whole(0, 22, example="10")] = 10,
        observation: Literal["symbols", "pixels"] = "symbols",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        boards = (KEY_EXPLORE, ORCHARD, KEY_REWARD)
        super().__init__(num_envs, boards, delay, 10, num_apples, observation, device, env_index_offset)
        self.name = "tvt/key_to_door"
        self.chance_return = CHANCE_RETURNS.get(delay) if num_apples == 10 else None
        self._key_cells, self._start_cells = (
            cells_of(KEY_EXPLORE, letter).to(self.device) for letter in ("k", "+")
        )

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return self.begin_within(seed, env_index, episode, torch.zeros_like(episode))

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        draws = hash_prefix(seed, env_index, trial)
        again = redrawn(draws, number)
        no = torch.zeros_like(seed, dtype=torch.bool)
        return {
            "position": self._start_cells[randint(len(self._start_cells), _START, prefix=again)],
            "key": self._key_cells[randint(len(self._key_cells), _KEY, prefix=draws)],
            "has_key": no,
            "just_taken": no.clone(),
            "is_paid": no.clone(),
            **self.orchard(draws),
        }

    def is_blocked(self, task: dict[str, Tensor], phase: Tensor, cell: Tensor) -> Tensor:  # noqa: D102
        is_shut = (phase == REWARD) & (cell == _DOOR_CELL) & ~task["has_key"]
        return super().is_blocked(task, phase, cell) | is_shut

    def use(  # noqa: D102
        self, task: dict[str, Tensor], frame: Tensor, phase: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        taken = (phase == EXPLORE) & (task["position"] == task["key"]) & ~task["has_key"]
        opened = (phase == REWARD) & (task["position"] == _DOOR_CELL) & ~task["is_paid"]
        task["has_key"] = task["has_key"] | taken
        task["just_taken"] = taken & (frame < EXPLORE_LENGTH)
        task["is_paid"] = task["is_paid"] | opened
        return task, opened

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return whether the player has the key, and which cell it is in."""
        phase, has_key = self.phase_of(time), task["has_key"]
        # The key in view says that it is not taken, the mark that it is.
        in_view = self.is_in_view(task, task["key"]) & (phase == EXPLORE) & ~has_key
        return {
            "has_key": Hidden(has_key.long(), 2, is_shown=in_view | task["just_taken"]),
            "position": Hidden(task["position"], NUM_CELLS, rows_ago=torch.zeros_like(time)),
        }

    def sprites(  # noqa: D102
        self, task: dict[str, Tensor], phase: Tensor
    ) -> list[tuple[Tensor, Tensor, Tensor | int]]:
        return [
            ((phase == EXPLORE) & ~task["has_key"], task["key"], KEY),
            (task["just_taken"], torch.full_like(phase, _INDICATOR_CELL), INDICATOR),
            (phase == REWARD, torch.full_like(phase, _DOOR_CELL), DOOR),
        ]
