"""What the tasks of MiniGrid share: a grid out of several, an agent that turns and walks, and its view as a table."""

from __future__ import annotations

import functools
from abc import abstractmethod

import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.common.random import hash_prefix
from engram.envs.beginnings import redrawn
from engram.envs.drawing import BLUE, BOARD_SIZE, GREEN, INK, RED, WHITE, Color, Mark, draw_grid
from engram.envs.hidden import Hidden
from engram.envs.minigrid.views import (
    BALL,
    KEY,
    PASSABLE,
    WALL,
    cell_steps,
    make_sights,
    make_views,
    symbol_space,
    view_cells,
    visible,
)
from engram.envs.native import NativeVectorEnv
from engram.envs.running import one_environment

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
"""The actions."""
# By kind of cell: empty, wall, key, ball, red door closed and open, blue door closed and open.
_COLORS: tuple[Color, ...] = (WHITE, INK, WHITE, WHITE, RED, (244, 180, 180), BLUE, (176, 206, 240))
_ARROWS = ("right", "down", "left", "up")


class GridWorld(NativeVectorEnv):
    """A task on one of a few grids, seen through the 7 x 7 cells before the agent.

    The observation holds the package's numbers without its mission, which never changes: `direction` (right, down,
    left, up) and `image` [7, 7, 3], type, colour and state of every cell, 0 where it is not seen. They are categories,
    MultiDiscrete of 11, 6 and 3 and not the package's Box of bytes, so that agents read them as such. All views are
    drawn up once, so that a step looks one up.

    The task's tensors are `layout`, which of the grids, `position`, the number `x + width * y` of a cell, and
    `direction`, int64 [B] each.

    Args:
        num_envs: number of environments B.
        grids: what the cells of every layout hold (`engram.envs.minigrid.views`), uint8 [L, width * height].
        landmarks: numbers of the cells of every layout of which `is_seen` tells, int64 [L, n].
        width: cells of a grid from left to right.
        max_episode_steps: actions after which an episode is truncated.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        grids: Tensor,
        landmarks: Tensor,
        width: Count,
        max_episode_steps: Count,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.width, self.num_cells = width, grids.shape[1]
        self.max_episode_steps = max_episode_steps
        self.single_observation_space = gs.Dict({"direction": gs.Discrete(4), "image": symbol_space()})
        self.single_action_space = gs.Discrete(7)
        self._grids, self._landmarks = grids.to(self.device), landmarks
        self._views = make_views(grids, width, self.num_cells // width).to(self.device)
        self._steps = cell_steps(width).to(self.device)
        self._is_passable = torch.tensor(
            [kind in PASSABLE for kind in range(len(_COLORS))], device=self.device
        )

    def ahead(self, task: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the cell before the agent, int64 [B], and what it holds, uint8 [B]."""
        cell = task["position"] + self._steps[task["direction"]]
        return cell, self._grids[task["layout"], cell]

    @functools.cached_property
    def _sights(self) -> Tensor:
        height = self.num_cells // self.width
        return make_sights(self._grids.cpu(), self.width, height, self._landmarks).to(self.device)

    def is_seen(self, task: dict[str, Tensor]) -> Tensor:
        """Tell which landmarks the present view shows, bool [B, n]."""
        return self._sights[self._view_number(task)]

    def position_hidden(self, task: dict[str, Tensor]) -> Hidden:
        """The number of the cell that the agent is in."""
        return Hidden(task["position"], self.num_cells, rows_ago=torch.zeros_like(task["position"]))

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        draws = hash_prefix(seed, env_index, trial)
        return self.begin_from(draws, redrawn(draws, number))

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        draws = hash_prefix(seed, env_index, episode)
        return self.begin_from(draws, draws)

    @abstractmethod
    def begin_from(self, draws: Tensor, again: Tensor) -> dict[str, Tensor]:
        """Return the task's tensors [B, ...] at the start of episodes.

        Args:
            draws: what the layout is drawn from, which stays within a trial, int64 [B].
            again: what the agent's place is drawn from, anew in each episode of a trial, int64 [B].
        """

    def move(self, task: dict[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        """Return the task's tensors after a turn or a step; what is not passable blocks."""
        cell, kind = self.ahead(task)
        walks = (action == FORWARD) & self._is_passable[kind.long()]
        turn = (action == RIGHT).long() - (action == LEFT).long()
        return {
            **task,
            "position": torch.where(walks, cell, task["position"]),
            "direction": (task["direction"] + turn) % 4,
        }

    def reward_at(self, time: Tensor, earned: Tensor) -> Tensor:
        """Return the reward of action number `time` where it is earned: 1, less 0.9 by the end; float32 [B]."""
        worth = 1.0 - 0.9 * ((time + 1).to(torch.float64) / self.max_episode_steps)
        return torch.where(earned, worth, 0.0).to(torch.float32)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": reward > 0}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> TensorDict:  # noqa: D102
        parts = {"direction": task["direction"], "image": self._views[self._view_number(task)].long()}
        return TensorDict(parts, batch_size=[len(time)])

    def _view_number(self, task: dict[str, Tensor]) -> Tensor:
        return (task["layout"] * self.num_cells + task["position"]) * 4 + task["direction"]

    def render(self, index: int) -> np.ndarray:
        """Draw the grid, the cells in view bright."""
        task, _ = one_environment(self, index)
        layout, position, direction = (int(task[key]) for key in ("layout", "position", "direction"))
        width, height = self.width, self.num_cells // self.width
        kinds = self._grids[layout].cpu().long()
        cells = view_cells(width, height)[position, direction]
        seen = visible(torch.nn.functional.pad(kinds, (0, 1), value=WALL)[cells][None])[0]
        bright = cells[seen & (cells < self.num_cells)]
        marks = [
            Mark(cell // width, cell % width, what, GREEN)
            for kind, what in ((KEY, "K"), (BALL, "disc"))
            for cell in (kinds == kind).nonzero().flatten().tolist()
        ]
        agent = Mark(position // width, position % width, _ARROWS[direction], BLUE)
        kinds[bright] += len(_COLORS)
        dim = [(red * 3 // 5, green * 3 // 5, blue * 3 // 5) for red, green, blue in _COLORS]
        size = BOARD_SIZE // max(width, height)
        return draw_grid(kinds.view(height, width), [*dim, *_COLORS], size, [*marks, agent], gap=0)
