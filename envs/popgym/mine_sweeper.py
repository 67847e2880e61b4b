"""POPGym's MineSweeper: uncover every cell without a mine on a board that is never shown."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.common.random import purpose, randint
from engram.envs.drawing import (
    BLUE,
    BOARD_SIZE,
    GREEN,
    INK,
    RED,
    WHITE,
    YELLOW,
    Color,
    Mark,
    draw_grid,
)
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.boards import add_cell, count_cells, has_cell, pack, unpack
from engram.envs.running import one_environment

_MINES = purpose("mines")
_BOARDS = {"easy": (4, 2), "medium": (6, 6), "hard": (8, 10)}
_COVERED: Color = (122, 138, 160)
_NUMBERS: tuple[Color, ...] = (BLUE, GREEN, RED, (96, 62, 160), (150, 70, 30), (30, 130, 140), INK, INK)


class MineSweeper(NativeVectorEnv):
    """Click on cells (row, column); each click shows how many mines lie around.

    The observation is the number of mines in the 3 x 3 block around the last click, its own cell included; 0
    on the first row. With L cells free of mines, uncovering one is worth 1 / L, clicking it again costs
    0.5 / (L - 2), and a mine costs 0.5 + 1 / L and terminates the episode. So does uncovering the last one;
    after L clicks it is truncated, so that only play without a wasted click clears the board, which is a success.

    Args:
        num_envs: number of environments B.
        difficulty: `easy`, a side of 4 with 2 mines; `medium`, 6 with 6; `hard`, 8 with 10.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {name: {"difficulty": name} for name in _BOARDS}

    def __init__(
        self,
        num_envs: Count,
        difficulty: Literal["easy", "medium", "hard"] = "easy",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/mine_sweeper"
        self.side, self.num_mines = _BOARDS[difficulty]
        self.num_cells = self.side**2
        self.num_safe = self.num_cells - self.num_mines
        self.max_episode_steps = self.num_safe
        self._unknown = min(self.num_mines + 1, 10)
        self.single_observation_space = gs.Discrete(self._unknown)
        self.single_action_space = gs.MultiDiscrete(np.array([self.side, self.side]))
        self._blocks = self._list_blocks().to(self.device)

    def _list_blocks(self) -> Tensor:
        """The 3 x 3 block around every cell as a set of cells, int64 [C]."""
        cell = torch.arange(self.num_cells)
        row, column = cell // self.side, cell % self.side
        near = ((row.unsqueeze(1) - row).abs() <= 1) & ((column.unsqueeze(1) - column).abs() <= 1)
        return pack(near).squeeze(1)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        mines = torch.zeros(len(seed), 1, dtype=torch.int64, device=seed.device)
        # Floyd's way to draw a subset: any cell up to `last`, which itself stands in for one taken already.
        last = torch.arange(self.num_safe, self.num_cells, device=seed.device)
        parts = (part.unsqueeze(1) for part in (env_index, episode))
        cells = randint(last + 1, seed.unsqueeze(1), _MINES, *parts, last)
        for number, cell in enumerate(cells.unbind(1)):
            mines = add_cell(mines, torch.where(has_cell(mines, cell), self.num_safe + number, cell))
        return {"mines": mines, "viewed": torch.zeros_like(mines), "count": torch.zeros_like(seed)}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        mines, viewed = task["mines"], task["viewed"]
        cell = action[:, 0] * self.side + action[:, 1]
        is_mine = has_cell(mines, cell)
        is_again = has_cell(viewed, cell)
        viewed = torch.where(is_mine.unsqueeze(1), viewed, add_cell(viewed, cell))
        reward = torch.where(is_again, -0.5 / (self.num_safe - 2), 1.0 / self.num_safe)
        reward = torch.where(is_mine, -0.5 - 1.0 / self.num_safe, reward)
        terminated = is_mine | (count_cells(viewed[:, 0]) == self.num_safe)
        truncated = (time + 1 == self.max_episode_steps) & ~terminated
        count = count_cells(mines[:, 0] & self._blocks[cell])
        return {"mines": mines, "viewed": viewed, "count": count}, reward, terminated, truncated

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": count_cells(task["viewed"][:, 0]) == self.num_safe}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return what is known of every cell: the mines around, or one more than any number for a covered one."""
        counts = count_cells(task["mines"] & self._blocks)  # [B, C]
        known = torch.where(unpack(task["viewed"], self.num_cells), counts, self._unknown)
        return {"board": Hidden(known, self._unknown + 1, rows_ago=torch.zeros_like(time))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["count"]

    def render(self, index: int) -> np.ndarray:
        """Draw the board: uncovered cells with their numbers, the mines beneath the others, the last click."""
        task, last = one_environment(self, index)
        mines, viewed = (
            unpack(task[key], self.num_cells).view(self.side, self.side) for key in ("mines", "viewed")
        )
        counts = count_cells(task["mines"] & self._blocks.cpu()).view(self.side, self.side)
        cells, marks = viewed.int(), []
        for row, column in mines.nonzero().tolist():
            marks.append(Mark(row, column, "dot", (84, 96, 116)))
        for row, column in (viewed & (counts > 0)).nonzero().tolist():
            count = int(counts[row, column])
            marks.append(Mark(row, column, str(count), _NUMBERS[count - 1]))
        if last is not None:
            row, column = last.tolist()
            if mines[row, column]:
                cells[row, column] = 2
                marks.append(Mark(row, column, "disc", INK))
            marks.append(Mark(row, column, "frame", YELLOW))
        return draw_grid(cells, (_COVERED, WHITE, RED), BOARD_SIZE // self.side, marks)
