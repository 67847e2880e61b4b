"""What Memory Gym's tasks on a grid share: turning and walking, and what is seen of it."""

from __future__ import annotations

from abc import abstractmethod

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.memory_gym.sprites import SIDE
from engram.envs.native import NativeVectorEnv
from engram.envs.running import one_environment

STAY, TURN_LEFT, TURN_RIGHT, FORWARD = range(4)
UP, LEFT, DOWN, RIGHT = range(4)
_SCALE = 5


class GridTask(NativeVectorEnv):
    """A player on a square grid; the actions are stay, turn left, turn right and forward, which no wall takes back.

    The task's tensors have `position`, the number `size * x + y` of a cell with x to the right and y down, and
    `rotation`, 0 … 3 as it looks up, left, down or right, int64 [B] each.

    Pixels are uint8 [84, 84, 3] as in the package: x before y. Symbols are categories that hold the same.

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
        super().__init__(num_envs, device, env_index_offset)
        self.size, self.shows_pixels = size, pixels
        self.single_action_space = gs.Discrete(4)
        self.single_observation_space: gs.Space = gs.MultiDiscrete(np.array(symbols))
        if pixels:
            self.single_observation_space = gs.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
        self._next = _neighbours(size).to(self.device)

    def move(self, task: dict[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        """Return `position` and `rotation` after actions, int64 [B] each; at the border a step does nothing."""
        position, rotation = task["position"], task["rotation"]
        turn = (action == TURN_LEFT).long() - (action == TURN_RIGHT).long()
        rotation = (rotation + turn) % 4
        ahead = self._next[position * 4 + rotation]
        return {"position": torch.where(action == FORWARD, ahead, position), "rotation": rotation}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return self.pixels(task, time) if self.shows_pixels else self.symbols(task, time)

    @abstractmethod
    def pixels(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        """Return the pictures, uint8 [B, 84, 84, 3]."""

    @abstractmethod
    def symbols(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        """Return the same as categories, int64 [B, n]."""

    def picture(self, index: int) -> np.ndarray:
        """Return what one environment shows, rows before columns, five times as large: uint8 [420, 420, 3]."""
        one_environment(self, index)
        assert self.state is not None
        state = self.state[index : index + 1]
        shown = self.pixels(dict(state["task"].items()), state["time"])[0].transpose(0, 1).cpu()
        return shown.repeat_interleave(_SCALE, 0).repeat_interleave(_SCALE, 1).numpy()

    def tile_of(self, picture: np.ndarray, cell: int, tile: int) -> np.ndarray:
        """Return the part of such a picture that shows a cell, of a tile's number of pixels; writing to it draws."""
        begin = (SIDE - self.size * tile) // 2
        left, top = (_SCALE * (begin + tile * place) for place in divmod(cell, self.size))
        return picture[top : top + _SCALE * tile, left : left + _SCALE * tile]


def _neighbours(size: int) -> Tensor:
    """The cell above, left of, below and right of every cell, the cell itself at the border: int64 [size**2 * 4]."""
    cell = torch.arange(size**2)[:, None]
    x = (cell // size + torch.tensor([0, -1, 0, 1])).clamp(0, size - 1)
    y = (cell % size + torch.tensor([-1, 0, 1, 0])).clamp(0, size - 1)
    return (x * size + y).flatten()
