"""What all of Memory Gym's tasks share: pictures or symbols are observed, and pictures drawn for people."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.drawing import GREEN
from engram.envs.memory_gym.sprites import SIDE
from engram.envs.native import NativeVectorEnv
from engram.envs.running import one_environment

_SCALE = 5
_FRAME = 4


class PicturedTask(NativeVectorEnv):
    """A task that is observed as the package's pictures, or as symbols.

    Pixels are uint8 [84, 84, 3] as in the package: x before y. Symbols are categories that hold the same.

    Args:
        num_envs: number of environments B.
        symbols: how many values each of the symbols has.
        pixels: whether pictures are observed.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        symbols: list[int],
        pixels: bool,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.shows_pixels = pixels
        self.single_observation_space: gs.Space = gs.MultiDiscrete(np.array(symbols))
        if pixels:
            self.single_observation_space = gs.Box(0, 255, (SIDE, SIDE, 3), np.uint8)

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


def tile_of(picture: np.ndarray, cell: Sequence[int], size: int, tile: int) -> np.ndarray:
    """Return the part of such a picture that shows a cell; writing to it draws.

    Args:
        picture: as `PicturedTask.picture` returns it.
        cell: its column and its row.
        size: cells along a side of the board, which lies in the middle.
        tile: pixels along a side of a cell, before they were enlarged.
    """
    left, top = (_SCALE * ((SIDE - size * tile) // 2 + tile * place) for place in cell)
    return picture[top : top + _SCALE * tile, left : left + _SCALE * tile]


def frame(tile: np.ndarray) -> None:
    """Draw a green frame around what a tile shows."""
    inner = tile[_FRAME:-_FRAME, _FRAME:-_FRAME].copy()
    tile[:] = GREEN
    tile[_FRAME:-_FRAME, _FRAME:-_FRAME] = inner
