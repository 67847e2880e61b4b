"""Mystery Path on a grid: an invisible path across a board, to be found by falling off it."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Fraction, Index, Whole
from engram.common.random import hash_prefix, purpose, randint
from engram.envs.drawing import BLUE, GREEN, WHITE
from engram.envs.hidden import Hidden
from engram.envs.memory_gym.grid_task import GridTask
from engram.envs.memory_gym.paths import draw_paths
from engram.envs.memory_gym.pictured_task import tile_of
from engram.envs.memory_gym.sprites import SIDE, draw_cross
from engram.envs.memory_gym.strip_painter import StripPainter
from engram.envs.running import one_environment

_PATH = purpose("path")
_SIZE, _TILE = 7, 12


class MysteryPathGrid(GridTask):
    """Find the way along a path that is never shown; the rules are those of memory-gym 1.0.2.

    The path crosses a board of 7 x 7 cells from one side to the opposite one. The player begins where it starts and
    looks up. Who steps off the path sees a red cross, and whatever it does next puts it back to the start, turned as it
    is. Reaching the end is worth 1, terminates, and is a success; the episode is truncated after `max_steps` actions.
    What has to be remembered is where the path goes, and where it does not.

    Symbols are the column, the row, the rotation, and whether there is a cross.

    Paths are drawn from a pool, the same under every seed: the package's search for one is no work for a device.

    Args:
        num_envs: number of environments B.
        num_paths: in the pool.
        max_steps: actions after which an episode is truncated.
        progress_reward: for every cell of the path between its ends, when it is first stepped on.
        observation: `pixels`, uint8 [84, 84, 3], or `symbols`.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        num_paths: Annotated[int, Whole(1, 2**20)] = 4096,
        max_steps: Count = 128,
        progress_reward: Fraction = 0.0,
        observation: Literal["pixels", "symbols"] = "pixels",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(
            num_envs, _SIZE, [_SIZE, _SIZE, 4, 2], observation == "pixels", device, env_index_offset
        )
        self.name = "memory_gym/mystery_path"
        self.max_episode_steps, self.progress_reward = max_steps, progress_reward
        if progress_reward == 0:
            self.best_return = 1.0
        self._starts, self._ends, self._on_path = (
            part.to(self.device) for part in draw_paths(num_paths, _SIZE)
        )
        self._painter: StripPainter | None = None
        if self.shows_pixels:
            self._painter = self._make_painter()

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        path = randint(len(self._starts), _PATH, prefix=hash_prefix(seed, env_index, episode))
        task = {
            "path": path,
            "position": self._starts[path],
            "rotation": torch.zeros_like(seed),
            "is_off": torch.zeros_like(seed, dtype=torch.bool),
            "falls": torch.zeros_like(seed),
        }
        if self.progress_reward:
            task["visited"] = torch.zeros(len(seed), _SIZE**2, dtype=torch.bool, device=seed.device)
        return task

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        path, was_off = task["path"], task["is_off"]
        start, end = self._starts[path], self._ends[path]
        moved = self.move(task, action)
        position = torch.where(was_off, start, moved["position"])
        rotation = torch.where(was_off, task["rotation"], moved["rotation"])
        is_off, found = ~self._on_path[path, position], position == end
        after = {**task, "position": position, "rotation": rotation, "is_off": is_off}
        after["falls"] = task["falls"] + is_off
        reward = found.to(torch.float32)
        if self.progress_reward:
            here = position[:, None]
            was_there = task["visited"].gather(1, here).squeeze(1)
            is_new = ~(was_there | is_off | found | (position == start))
            after["visited"] = task["visited"].scatter(1, here, True)
            reward = reward + self.progress_reward * is_new
        return after, reward, found, time + 1 == self.max_episode_steps

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": is_terminal, "num_fails": task["falls"]}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return which cells are on the path, and the cell where it ends: never shown."""
        path, never = task["path"], torch.zeros_like(time, dtype=torch.bool)
        return {
            "path": Hidden(self._on_path[path].long(), 2, is_shown=never),
            "end": Hidden(self._ends[path], _SIZE**2, is_shown=never),
        }

    def symbols(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        position = task["position"]
        parts = [position // _SIZE, position % _SIZE, task["rotation"], task["is_off"].long()]
        return torch.stack(parts, dim=1)

    def pixels(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        painter = self._painter = self._painter or self._make_painter()
        position, look = task["position"], task["rotation"] + 4 * task["is_off"]
        return painter.paint(torch.zeros_like(position)[:, None], position // _SIZE, position % _SIZE, look)

    def _make_painter(self) -> StripPainter:
        """What draws: the board is black."""
        board = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
        return StripPainter(board, _SIZE, _TILE, _SIZE, self.device, draw_cross())

    def render(self, index: int) -> np.ndarray:
        """Draw what is seen, five times as large, with the path under it, blue where it starts, green at its end."""
        task, _ = one_environment(self, index)
        picture, path = self.picture(index), int(task["path"])
        start, end = int(self._starts[path]), int(self._ends[path])
        for cell in self._on_path[path].nonzero().flatten().tolist():
            tile = tile_of(picture, divmod(cell, _SIZE), _SIZE, _TILE)
            tile[(tile == 0).all(2)] = {start: BLUE, end: GREEN}.get(cell, WHITE)
        return picture
