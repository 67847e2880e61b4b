"""MiniGrid's task of two doors: open the red one, then the blue one on the opposite side."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import purpose, randint
from engram.envs.hidden import Hidden
from engram.envs.minigrid.grid_world import TOGGLE, GridWorld
from engram.envs.minigrid.views import BLUE_CLOSED, BLUE_OPEN, RED_CLOSED, RED_OPEN, WALL

_RED, _BLUE, _CELL, _DIRECTION = (purpose(name) for name in ("red door", "blue door", "cell", "direction"))
_RED_IS_OPEN, _BLUE_IS_OPEN = 1, 2
# Size -> the return of a player who knows where the doors are, on average over episodes.
_BEST = {6: 0.98406, 8: 0.98789}


class RedBlueDoors(GridWorld):
    """Open the red door and then the blue one; the rules are those of minigrid 3.2.0.

    A room has a red door in its left wall and a blue one in its right wall, each at a random place. The agent begins
    anywhere in it, looking anywhere. Whoever stands at the blue door and has the red one behind must remember whether
    it is open.

    The actions are left, right, forward, pick up, drop, toggle and done; toggle opens or closes the door before the
    agent, and the others but the first three do nothing. The observation is that of
    `engram.envs.minigrid.grid_world.GridWorld`. Opening the blue door terminates: with the red door open a success,
    worth 1 - 0.9 k / (20 size**2) with action number k, else worth 0. The episode is truncated after 20 size**2
    actions.

    Args:
        num_envs: number of environments B.
        size: cells along a side of the room, its walls included.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        size: Annotated[int, Whole(4, 12)] = 8,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        self.size, self.name = size, "minigrid/red_blue_doors"
        rows = range(1, size - 1)
        grids = [_grid(size, red, blue, doors) for red in rows for blue in rows for doors in range(4)]
        sides = size // 2, size // 2 + size - 1
        landmarks = [
            [left_or_right + 2 * size * row for left_or_right, row in zip(sides, (red, blue), strict=True)]
            for red in rows
            for blue in rows
            for _ in range(4)
        ]
        cells = torch.tensor(landmarks)
        super().__init__(
            num_envs, torch.stack(grids), cells, 2 * size, 20 * size**2, device, env_index_offset
        )
        self.best_return = _BEST.get(size)

    def begin_from(self, draws: Tensor, again: Tensor) -> dict[str, Tensor]:  # noqa: D102
        inner = self.size - 2
        doors = randint(inner, _RED, prefix=draws) * inner + randint(inner, _BLUE, prefix=draws)
        cell = randint(inner**2, _CELL, prefix=again)
        column, row = self.size // 2 + 1 + cell % inner, 1 + cell // inner
        return {
            "layout": doors * 4,
            "position": column + self.width * row,
            "direction": randint(4, _DIRECTION, prefix=again),
        }

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return whether the red door is open, in which rows the doors are, and the agent's place."""
        inner, (sees_red, sees_blue) = self.size - 2, self.is_seen(task).unbind(1)
        doors = task["layout"] // 4
        return {
            "red_open": Hidden(task["layout"] % 2, 2, is_shown=sees_red),
            "red_row": Hidden(doors // inner, inner, is_shown=sees_red),
            "blue_row": Hidden(doors % inner, inner, is_shown=sees_blue),
            "position": self.position_hidden(task),
        }

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        _, kind = self.ahead(task)
        toggles, layout = action == TOGGLE, task["layout"]
        red = toggles & ((kind == RED_CLOSED) | (kind == RED_OPEN))
        blue = toggles & (kind == BLUE_CLOSED)  # no episode goes on behind an open one
        was_open = layout % 2 == _RED_IS_OPEN
        changed = torch.where(red, torch.where(was_open, -_RED_IS_OPEN, _RED_IS_OPEN), 0)
        moved = self.move(task, action)
        moved["layout"] = layout + changed + torch.where(blue, _BLUE_IS_OPEN, 0)
        return moved, self.reward_at(time, blue & was_open), blue, time + 1 == self.max_episode_steps


def _grid(size: int, red: int, blue: int, doors: int) -> Tensor:
    """What the cells hold, uint8 [2 * size * size]: doors in rows `red` and `blue`, open as the bits of `doors` say."""
    grid = torch.zeros(size, 2 * size, dtype=torch.uint8)  # [y, x]
    left, right = size // 2, size // 2 + size - 1
    grid[[0, -1]], grid[:, [0, left, right, -1]] = WALL, WALL
    grid[red, left] = RED_OPEN if doors & _RED_IS_OPEN else RED_CLOSED
    grid[blue, right] = BLUE_OPEN if doors & _BLUE_IS_OPEN else BLUE_CLOSED
    return grid.flatten()
