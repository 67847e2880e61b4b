"""What the tasks with an orchard between a cue and its use share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_integers, purpose
from engram.envs.drawing import BOARD_SIZE, draw_grid
from engram.envs.native import NativeVectorEnv
from engram.envs.running import one_environment
from engram.envs.tvt.boards import (
    APPLE,
    BACKGROUND,
    COLORS,
    HEIGHT,
    NUM_CELLS,
    ORCHARD,
    PLAYER,
    WALL,
    WIDTH,
    cells_of,
    neighbours,
    view_cells,
    walls_of,
)

EXPLORE, DISTRACT, REWARD = range(3)
"""The phases."""
EXPLORE_LENGTH = 15
FINAL_REWARD = 5.0
_VIEW = 5
_RESPAWN = 20
_NEVER = 1 << 30
_APPLES = purpose("apples")


class ThreePhases(NativeVectorEnv):
    """A cue, an orchard full of apples, and at last a place where the cue is of use.

    The phases last 15, `delay` and `reward_length` actions; what an action leads to at a phase's end is replaced by the
    next phase's first row. The actions are north, south, west, east; a step into a wall or off the board does
    nothing. In the orchard `num_apples` of 22 places, drawn anew in each episode, have an apple, each worth 1; it is
    back 21 actions later. The last phase pays 5, at most once, and that is a success; apples are not. An episode
    terminates after all three.

    The agent sees the 5 x 5 cells around it, with background outside of the board. As `symbols` a cell is a category:
    background, wall, player, key, door, apple, indicator, red, green or blue. `pixels` are the original's colours,
    uint8 [5, 5, 3].

    A task gives the boards of the first and the last phase, whose walls count, and where the player stands in the last.

    Args:
        num_envs: number of environments B.
        boards: of the three phases.
        delay: actions in the orchard.
        reward_length: actions of the last phase.
        num_apples: in the orchard at once.
        observation: `symbols` or `pixels`.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        boards: tuple[tuple[str, ...], ...],
        delay: Count,
        reward_length: Count,
        num_apples: Annotated[int, Whole(0, 22, example="10")],
        observation: Literal["symbols", "pixels"],
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.num_apples, self.observation = num_apples, observation
        self.phase_ends = (EXPLORE_LENGTH, EXPLORE_LENGTH + delay)
        self.max_episode_steps = EXPLORE_LENGTH + delay + reward_length
        self.single_action_space = gs.Discrete(4)
        self.single_observation_space: gs.Space = gs.MultiDiscrete(np.full((_VIEW, _VIEW), len(COLORS)))
        if observation == "pixels":
            self.single_observation_space = gs.Box(0, 255, (_VIEW, _VIEW, 3), np.uint8)
        self._walls = walls_of(boards).to(self.device)
        starts = [int(cells_of(board, "+")[0]) for board in boards]
        self._starts = torch.tensor(starts, device=self.device)
        self._next, self._view = neighbours().to(self.device), view_cells(_VIEW).to(self.device)
        self._apple_cells = cells_of(ORCHARD, "a").to(self.device)
        number = torch.full((NUM_CELLS + 1,), len(self._apple_cells))
        number[cells_of(ORCHARD, "a")] = torch.arange(len(self._apple_cells))
        self._apple_number = number.to(self.device)
        self._colors = torch.tensor(COLORS, dtype=torch.uint8, device=self.device)
        if num_apples == 0:
            self.best_return = FINAL_REWARD

    @abstractmethod
    def use(self, task: dict[str, Tensor], frame: Tensor, phase: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Let what the player stands on have its effect.

        Args:
            task: the task's tensors [B, ...] after a move; a new dict, which may be changed.
            frame: actions in this phase so far, int64 [B].
            phase: int64 [B].

        Returns:
            The task's tensors, and whether the final reward is paid, bool [B].
        """

    @abstractmethod
    def sprites(self, task: dict[str, Tensor], phase: Tensor) -> list[tuple[Tensor, Tensor, Tensor | int]]:
        """List what lies on the board besides walls, apples and the player, as (is shown [B], cell [B], kind).

        What comes later covers what comes before it, and the player.
        """

    def is_blocked(self, task: dict[str, Tensor], phase: Tensor, cell: Tensor) -> Tensor:
        """Tell where a step is impossible, bool [B]."""
        return self._walls[phase, cell]

    def orchard(self, draws: Tensor) -> dict[str, Tensor]:
        """Draw where apples lie: `apples` bool [B, 22], and `taken`, when each was taken last, int64 [B, 22]."""
        every = torch.arange(len(self._apple_cells), device=draws.device)
        order = hash_integers(_APPLES, every, prefix=draws[:, None]).argsort(dim=1, stable=True)
        taken = torch.full_like(order, _NEVER)
        nothing = torch.zeros_like(order, dtype=torch.bool)
        return {"apples": nothing.scatter(1, order[:, : self.num_apples], True), "taken": taken}

    def phase_of(self, time: Tensor) -> Tensor:
        """The phase of the row after so many actions, int64 [B]."""
        return (time >= self.phase_ends[0]).long() + (time >= self.phase_ends[1]).long()

    def _frame(self, time: Tensor, phase: Tensor) -> Tensor:
        """Actions since the phase began."""
        first = torch.where(phase == DISTRACT, self.phase_ends[0], self.phase_ends[1])
        return time - torch.where(phase == EXPLORE, 0, first)

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        phase, position = self.phase_of(time), task["position"]
        frame = self._frame(time, phase) + 1
        there = self._next[position, action]
        position = torch.where(self.is_blocked(task, phase, there), position, there)
        task, eaten = self._eat({**task, "position": position}, frame, phase == DISTRACT)
        task, is_paid = self.use(task, frame, phase)
        following = self.phase_of(time + 1)
        starts = torch.where(following == DISTRACT, self._starts[DISTRACT], self._starts[REWARD])
        task["position"] = torch.where(following == phase, task["position"], starts)
        reward = eaten.to(torch.float32) + FINAL_REWARD * is_paid.to(torch.float32)
        is_over = time + 1 == self.max_episode_steps
        return task, reward, is_over, torch.zeros_like(is_over)

    def _eat(
        self, task: dict[str, Tensor], frame: Tensor, is_there: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Take the apple where the player stands, and let those taken long ago be there again."""
        under = (self._apple_cells == task["position"][:, None]) & is_there[:, None]
        found = under & task["apples"]
        taken = torch.where(found, frame[:, None], task["taken"])
        back = (frame[:, None] > taken + _RESPAWN) & is_there[:, None]
        return {**task, "apples": (task["apples"] & ~found) | back, "taken": taken}, found.any(1)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": task["is_paid"]}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        kinds = self._draw(task, time, self._view[task["position"]])
        return self._colors[kinds] if self.observation == "pixels" else kinds

    def is_in_view(self, task: dict[str, Tensor], cell: Tensor) -> Tensor:
        """Tell whether a cell, int64 [B], is among those around the player, bool [B]."""
        return (self._view[task["position"]] == cell[:, None, None]).any(-1).any(-1)

    def _draw(self, task: dict[str, Tensor], time: Tensor, cells: Tensor) -> Tensor:
        """What cells show, int64 [B, H, W]."""
        phase = self.phase_of(time)
        kinds = torch.where(self._walls[phase[:, None, None], cells], WALL, BACKGROUND)
        apples = torch.nn.functional.pad(task["apples"], (0, 1))
        number = self._apple_number[cells]
        is_apple = apples.gather(1, number.flatten(1)).view(number.shape) & (phase == DISTRACT)[:, None, None]
        kinds = torch.where(is_apple, APPLE, kinds)
        kinds = torch.where(cells == task["position"][:, None, None], PLAYER, kinds)
        for is_shown, cell, kind in self.sprites(task, phase):
            here = (cells == cell[:, None, None]) & is_shown[:, None, None]
            kinds = torch.where(here, kind if isinstance(kind, int) else kind[:, None, None], kinds)
        return kinds

    def render(self, index: int) -> np.ndarray:
        """Draw the whole board, what the agent sees bright."""
        position = one_environment(self, index)[0]["position"]
        assert self.state is not None
        state = self.state[index : index + 1]
        cells = torch.arange(NUM_CELLS, device=self.device).view(1, HEIGHT, WIDTH)
        kinds = self._draw(dict(state["task"].items()), state["time"], cells)[0].cpu()
        seen = torch.zeros(NUM_CELLS + 1, dtype=torch.bool)
        seen[self._view[int(position)].flatten().cpu()] = True
        kinds = kinds + len(COLORS) * seen[:-1].view(HEIGHT, WIDTH)
        dim = [(red * 3 // 5, green * 3 // 5, blue * 3 // 5) for red, green, blue in COLORS]
        return draw_grid(kinds, [*dim, *COLORS], BOARD_SIZE // WIDTH, gap=2)
