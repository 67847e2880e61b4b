"""POPGym's two labyrinths: escape from a maze, or explore all of it, seeing only the nine cells around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.checked import require
from engram.common.option_types import Count, Index, Whole
from engram.common.random import purpose, randint
from engram.envs.drawing import BLUE, BOARD_SIZE, GREEN, INK, WHITE, YELLOW, Color, Mark, draw_grid
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.boards import add_cell, has_cell, num_words, unpack
from engram.envs.popgym.labyrinth_maze import FREE, GOAL, START, WALL, draw_mazes
from engram.envs.running import one_environment

_MAZES, _POOL = purpose("mazes"), purpose("pool of mazes")
MAZES_ON_A_DEVICE = 16_384
_NO_ACTION = 4
_EXPLORED = 4
_COLORS: tuple[Color, ...] = (WHITE, INK, GREEN, YELLOW, (176, 206, 240))


class Labyrinth(NativeVectorEnv):
    """What the labyrinths share: mazes, moves, and a view of the nine cells around.

    The actions are left, right, up, down. A step into a wall or out of the grid leaves the position. The
    observation is the 3 x 3 view row by row (0 free, 1 wall, 2 start, 3 goal), then the last action, 4 on the
    first row. An episode is truncated after `episode_length - 1` steps, as in the package; it is a success if it
    terminates before.

    In host memory a maze costs some microseconds where an episode begins. On a device, and in a compiled
    step, every step carves mazes for all environments, in `maze_dims[0]**2 / 4` rounds of 30 small kernels
    there; so the mazes are drawn from a table on a device, unless `num_mazes` says otherwise.

    Args:
        num_envs: number of environments B.
        maze_dims: nominal height and width, even and equal; the grid is one larger.
        episode_length: one more than the longest episode.
        centered_view: whether the view has the position in its middle everywhere. In the package, and by
            default, the view from row 0 begins at row 0, has its second row below the middle and walls as its
            third; likewise in column 0.
        num_mazes: how many different mazes there are, the same ones under every seed; None for a new one in
            every episode, as on the CPU by default. `auto` is `MAZES_ON_A_DEVICE` elsewhere.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"maze_dims": (10, 10), "episode_length": 1024},
        "medium": {"maze_dims": (14, 14), "episode_length": 1024},
        "hard": {"maze_dims": (18, 18), "episode_length": 1024},
    }
    has_goal: bool

    def __init__(
        self,
        num_envs: Count,
        maze_dims: Sequence[Count] = (10, 10),
        episode_length: Annotated[int, Whole(2)] = 1024,
        centered_view: bool = False,
        num_mazes: Count | Literal["auto"] | None = "auto",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        height, width = maze_dims if len(maze_dims) == 2 else (0, 0)
        is_even = height == width >= 6 and height % 2 == 0
        require(is_even, "maze_dims", "two equal, even numbers of at least 6", maze_dims, self)
        self.rooms = height // 2
        self.side = height + 1
        self.episode_length, self.max_episode_steps = episode_length, episode_length - 1
        self.num_free = 2 * self.rooms**2 - 1
        self.single_observation_space = gs.MultiDiscrete(np.full(10, 5, dtype=np.int32))
        self.single_action_space = gs.Discrete(4)
        self._targets = self._list_targets().to(self.device)
        self._views = self._list_views(centered_view).to(self.device)
        self._pool: tuple[Tensor, Tensor] | None = None
        if num_mazes == "auto":
            num_mazes = None if self.device.type == "cpu" else MAZES_ON_A_DEVICE
        if num_mazes is not None:
            grids, start = self._finish(*draw_mazes(self.rooms, _POOL, torch.arange(num_mazes)))
            self._pool = grids.to(self.device), start.to(self.device)

    def _list_targets(self) -> Tensor:
        """Where an action leads if no wall is there, int64 [C * 4]."""
        cell = torch.arange(self.side**2)
        row, column = (cell // self.side).unsqueeze(1), (cell % self.side).unsqueeze(1)
        row = (row + torch.tensor([0, 0, -1, 1])).clamp(0, self.side - 1)
        column = (column + torch.tensor([-1, 1, 0, 0])).clamp(0, self.side - 1)
        return (row * self.side + column).flatten()

    def _list_views(self, centered: bool) -> Tensor:
        """The nine cells seen from every cell, int64 [C, 9]; cell C is the wall outside of the grid."""
        position = torch.arange(self.side).unsqueeze(1)
        seen = position + torch.tensor([-1, 0, 1])
        if not centered:
            # The package cuts the view at index 0 and fills it up at its other end.
            seen[0] = torch.tensor([0, 1, -1])
        inside = (seen >= 0) & (seen < self.side)
        cells = seen[:, None, :, None] * self.side + seen[None, :, None, :]
        outside = torch.tensor(self.side**2)
        cells = torch.where(inside[:, None, :, None] & inside[None, :, None, :], cells, outside)
        return cells.reshape(self.side**2, 9)

    def _finish(self, grids: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """Open the start, and the goal where there is one; append the wall outside."""
        grids = torch.nn.functional.pad(grids, (0, 1), value=WALL)
        grids = grids.scatter(1, start.unsqueeze(1), START)
        return grids.scatter(1, end.unsqueeze(1), GOAL) if self.has_goal else grids, start

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        if self._pool is None:
            grids, start = self._finish(*draw_mazes(self.rooms, seed, _MAZES, env_index, episode))
        else:
            maze = randint(len(self._pool[0]), seed, _MAZES, env_index, episode)
            grids, start = (part[maze] for part in self._pool)
        return {"grid": grids, "position": start, "last_action": torch.full_like(seed, _NO_ACTION)}

    def move(self, task: dict[str, Tensor], action: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the task's tensors after a move, and the kind of cell that was aimed at, uint8 [B]."""
        target = self._targets[task["position"] * 4 + action]
        kind = task["grid"].gather(1, target.unsqueeze(1)).squeeze(1)
        position = torch.where(kind == WALL, task["position"], target)
        return {**task, "position": position, "last_action": action}, kind

    def infos(self, task: dict[str, Tensor], is_first: bool) -> dict[str, Tensor]:
        """Return where an episode begins `maze` int64 [B, side, side], later `position` int64 [B, 2], x before y."""
        if is_first:
            return {"maze": task["grid"][:, :-1].unflatten(1, (self.side, self.side)).to(torch.int64)}
        position = task["position"]
        return {"position": torch.stack([position % self.side, position // self.side], dim=1)}

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": is_terminal}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return what every cell of the maze is, and the number of the cell that the agent is in."""
        since, num_cells = torch.zeros_like(time), self.side**2
        return {
            "maze": Hidden(task["grid"][:, :-1].long(), 4, rows_ago=since),
            "position": Hidden(task["position"], num_cells, rows_ago=since),
        }

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        view = task["grid"].gather(1, self._views[task["position"]])
        return torch.cat([view.to(torch.int64), task["last_action"].unsqueeze(1)], dim=1)

    def render(self, index: int) -> np.ndarray:
        """Draw the maze, the cells in view bright: start green, goal yellow, what was explored blue."""
        task, _ = one_environment(self, index)
        num_cells = self.side**2
        kinds = task["grid"][:num_cells].to(torch.int64)
        if "explored" in task:
            kinds[unpack(task["explored"], num_cells) & (kinds == FREE)] = _EXPLORED
        position = int(task["position"])
        seen = self._views[position].cpu()
        kinds[seen[seen < num_cells]] += len(_COLORS)
        dim = [(red * 3 // 5, green * 3 // 5, blue * 3 // 5) for red, green, blue in _COLORS]
        agent = Mark(position // self.side, position % self.side, "disc", BLUE)
        return draw_grid(
            kinds.view(self.side, self.side), [*dim, *_COLORS], BOARD_SIZE // self.side, [agent], gap=0
        )


class LabyrinthEscape(Labyrinth):
    """Find the opening in the opposite outer wall: 1 for reaching it, which terminates; 1 / L off per step.

    L is `episode_length`. Moves, view and arguments are those of `Labyrinth`.
    """

    name = "popgym/labyrinth_escape"
    has_goal = True

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        task, kind = self.move(task, action)
        terminated = kind == GOAL
        reward = torch.where(terminated, 1.0 - 1.0 / self.episode_length, -1.0 / self.episode_length)
        return task, reward, terminated, time + 1 == self.max_episode_steps


class LabyrinthExplore(Labyrinth):
    """Visit every cell: 1 / F for each new one of F, 1 / L off for any other step; all visited terminates.

    L is `episode_length`. Moves, view and arguments are those of `Labyrinth`; there is no goal.
    """

    name = "popgym/labyrinth_explore"
    has_goal = False

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        task = super().begin(seed, env_index, episode)
        nothing = torch.zeros(len(seed), num_words(self.side**2), dtype=torch.int64, device=seed.device)
        return {**task, "explored": add_cell(nothing, task["position"]), "found": torch.zeros_like(seed)}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        task, _ = self.move(task, action)
        is_new = ~has_cell(task["explored"], task["position"])
        task["explored"] = add_cell(task["explored"], task["position"])
        task["found"] = task["found"] + is_new
        reward = torch.where(is_new, 1.0 / self.num_free, -1.0 / self.episode_length)
        return task, reward, task["found"] == self.num_free, time + 1 == self.max_episode_steps

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return, beside the maze and the position, which cells were visited."""
        visited = unpack(task["explored"], self.side**2).long()
        explored = Hidden(visited, 2, rows_ago=torch.zeros_like(time))
        return {**super().conceals(task, time), "explored": explored}
