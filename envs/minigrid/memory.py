"""MiniGrid's memory task: see an object, walk down a hallway, turn to its like."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from engram.common.option_types import Count, Fitting, Index
from engram.common.random import purpose, randint
from engram.envs.hidden import Hidden
from engram.envs.minigrid.grid_world import GridWorld
from engram.envs.minigrid.views import BALL, KEY, WALL

_CUE, _ORDER, _END, _START = (purpose(name) for name in ("cue", "order", "end of the hallway", "start"))
_FIRST_END = 4
# Size and whether the hallway's length is random -> the best return there is, on average over episodes.
_BEST = {
    (7, False): 0.97796,
    (9, False): 0.98407,
    (11, False): 0.98587,
    (13, False): 0.98754,
    (13, True): 0.99086,
    (17, True): 0.99324,
}


def _is_odd_size(value: object) -> bool:
    return type(value) is int and value % 2 == 1 and 7 <= value <= 31


OddSize = Annotated[int, Fitting("an odd whole number from 7 to 31", _is_odd_size, "7")]


class MiniGridMemory(GridWorld):
    """Go to the object that is the same as the one in the first room; the rules are those of minigrid 3.2.0.

    A small room on the left holds a green key or ball. A hallway leads from it to the right, to a fork with a key at
    one end and a ball at the other. The agent begins anywhere in the room or the hallway and looks down the hallway, so
    that it may have to go back first to see what it has to look for. What has to be remembered is one bit.

    The actions are left, right, forward, pick up, drop, toggle and done, of which the last four do nothing. The
    observation is that of `engram.envs.minigrid.grid_world.GridWorld`. Standing beside the right object is a
    success, worth 1 - 0.9 k / (5 size**2) with action number k; beside the wrong one it is worth 0. Both terminate the
    episode; it is truncated after 5 size**2 actions.

    Args:
        num_envs: number of environments B.
        size: cells along a side of the grid, an odd number from 7 to 31.
        random_length: whether the hallway ends anywhere in the grid; else it is as long as fits.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        size: OddSize = 7,
        random_length: bool = False,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        self.size, self.name = size, "minigrid/memory"
        self.ends = range(_FIRST_END if random_length else size - 3, size - 2)
        grids = [
            _grid(size, end, cue, top) for end in self.ends for cue in (KEY, BALL) for top in (KEY, BALL)
        ]
        middle = size // 2
        landmarks = [
            (1 + size * (middle - 1), end + 1 + size * (middle - 2), end + 1 + size * (middle + 2))
            for end in self.ends
        ]
        cells = torch.tensor(landmarks).repeat_interleave(4, 0)
        super().__init__(num_envs, torch.stack(grids), cells, size, 5 * size**2, device, env_index_offset)
        self.best_return = _BEST.get((size, random_length))

    def best_of_trial(self, trials: int) -> float | None:
        """Return None for several: who knows the goal from an episode before need not look at the first room again."""
        return self.best_return if trials == 1 else None

    def begin_from(self, draws: Tensor, again: Tensor) -> dict[str, Tensor]:  # noqa: D102
        end = randint(len(self.ends), _END, prefix=draws)
        bits = randint(2, _CUE, prefix=draws) * 2 + randint(2, _ORDER, prefix=draws)
        column = 1 + randint(self.ends[0] + end, _START, prefix=again)
        return {
            "layout": end * 4 + bits,
            "position": column + self.size * (self.size // 2),
            "direction": torch.zeros_like(draws),
        }

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the object of the first room and the upper one of the fork, 0 for a key, and the agent's place."""
        seen = self.is_seen(task)
        bits = task["layout"] % 4
        return {
            "cue": Hidden(bits // 2, 2, is_shown=seen[:, 0]),
            "fork": Hidden(bits % 2, 2, is_shown=seen[:, 1] | seen[:, 2]),
            "position": self.position_hidden(task),
        }

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        moved = self.move(task, action)
        layout, middle = task["layout"], self.size // 2
        column = self.ends[0] + layout // 4 + 1
        above = moved["position"] == column + self.size * (middle - 1)
        below = moved["position"] == column + self.size * (middle + 1)
        is_above = (layout // 2) % 2 == layout % 2  # whether the upper object is the same as the first room's
        found = torch.where(is_above, above, below)
        return moved, self.reward_at(time, found), above | below, time + 1 == self.max_episode_steps


def _grid(size: int, end: int, cue: int, top: int) -> Tensor:
    """What the cells hold, uint8 [size * size]: the hallway's last cell is at x = end."""
    grid, middle = torch.zeros(size, size, dtype=torch.uint8), size // 2  # [y, x]
    grid[[0, -1]], grid[:, [0, -1]] = WALL, WALL
    for side in (-1, 1):
        grid[middle + 2 * side, 1:5] = WALL  # of the first room
        grid[middle + side, 4] = WALL
        grid[middle + side, 5:end] = WALL  # of the hallway
    grid[:middle, end], grid[middle + 1 :, end], grid[:, end + 2] = WALL, WALL, WALL
    grid[middle - 1, 1] = cue
    grid[middle - 2, end + 1], grid[middle + 2, end + 1] = top, KEY + BALL - top
    return grid.flatten()
