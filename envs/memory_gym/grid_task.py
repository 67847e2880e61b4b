"""What Memory Gym's tasks on a grid share: turning, and walking from cell to cell."""

from __future__ import annotations

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.memory_gym.pictured_task import PicturedTask

STAY, TURN_LEFT, TURN_RIGHT, FORWARD = range(4)
UP, LEFT, DOWN, RIGHT = range(4)


class GridTask(PicturedTask):
    """A player on a square grid; the actions are stay, turn left, turn right and forward, which no wall takes back.

    The task's tensors have `position`, the number `size * x + y` of a cell with x to the right and y down, and
    `rotation`, 0 … 3 as it looks up, left, down or right, int64 [B] each.

    Args:
        num_envs: number of environments B.
        size: cells along a side.
        symbols: how many values each of the symbols has.
        pixels: whether pictures are observed.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        size: int,
        symbols: list[int],
        pixels: bool,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, symbols, pixels, device, env_index_offset)
        self.size = size
        self.single_action_space = gs.Discrete(4)
        self._next = _neighbours(size).to(self.device)

    def move(self, task: dict[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        """Return `position` and `rotation` after actions, int64 [B] each; at the border a step does nothing."""
        position, rotation = task["position"], task["rotation"]
        turn = (action == TURN_LEFT).long() - (action == TURN_RIGHT).long()
        rotation = (rotation + turn) % 4
        ahead = self._next[position * 4 + rotation]
        return {"position": torch.where(action == FORWARD, ahead, position), "rotation": rotation}


def _neighbours(size: int) -> Tensor:
    """The cell above, left of, below and right of every cell, the cell itself at the border: int64 [size**2 * 4]."""
    cell = torch.arange(size**2)[:, None]
    x = (cell // size + torch.tensor([0, -1, 0, 1])).clamp(0, size - 1)
    y = (cell % size + torch.tensor([-1, 0, 1, 0])).clamp(0, size - 1)
    return (x * size + y).flatten()
