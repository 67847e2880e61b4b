"""Mortar Mayhem on a grid: commands shown one after the other, then carried out from memory."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_integers, hash_prefix, purpose, randint
from engram.envs.hidden import Hidden
from engram.envs.memory_gym.arena import TILE, draw_arena
from engram.envs.memory_gym.grid_task import GridTask
from engram.envs.memory_gym.pictured_task import frame, tile_of
from engram.envs.memory_gym.sprites import COMMANDS, SIDE, draw_command
from engram.envs.memory_gym.strip_painter import StripPainter

_START, _COMMANDS = purpose("start"), purpose("commands")
_REWARD = 0.1


class MortarMayhemGrid(GridTask):
    """Carry out commands that were shown before, in their order and in time; the rules are those of memory-gym 1.0.2.

    Signs show where to go, one after the other, each for `show_duration` rows with `show_delay` rows after it; until
    the last of these the player cannot act. Then it has `explosion_delay` actions to be on the cell to which the first
    command leads, before all other cells explode for `explosion_duration` actions; after them the second command
    counts, and so on. Being on the right cell when they explode is worth 0.1; being elsewhere, then or while they do,
    terminates the episode, and so does the end of the last command. Having carried out all is a success.

    Commands are right, down, left, up, stay and, from 6 on, the diagonals, drawn evenly from those that lead to a cell
    of the arena. Symbols are the column, the row, the rotation, the command that is shown (0: none), and column and
    row of the one cell that is safe, plus 1 (0: none explodes).

    Differences: the package calls an episode a success also where the last command failed.

    Args:
        num_envs: number of environments B.
        num_commands: to be carried out.
        allowed_commands: how many of the nine kinds there are.
        arena_size: cells along a side of the arena.
        show_duration: rows on which a command is shown.
        show_delay: rows after each without a sign.
        explosion_delay: actions from the end of an explosion to the next.
        explosion_duration: actions while which tiles explode.
        observation: `pixels`, uint8 [84, 84, 3], or `symbols`.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        num_commands: Count = 10,
        allowed_commands: Annotated[int, Whole(4, 9)] = 5,
        arena_size: Annotated[int, Whole(2, 6)] = 5,
        show_duration: Count = 3,
        show_delay: Index = 1,
        explosion_delay: Count = 6,
        explosion_duration: Count = 2,
        observation: Literal["pixels", "symbols"] = "pixels",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        symbols = [arena_size, arena_size, 4, 1 + allowed_commands, 1 + arena_size, 1 + arena_size]
        super().__init__(num_envs, arena_size, symbols, observation == "pixels", device, env_index_offset)
        self.name = "memory_gym/mortar_mayhem"
        self.num_commands, self.allowed_commands = num_commands, allowed_commands
        self.show_duration, self.show_period = show_duration, show_duration + show_delay
        self.explosion_delay, self.explosion_duration = explosion_delay, explosion_duration
        self.period = explosion_delay + explosion_duration
        self.shown_rows = num_commands * self.show_period
        self.max_episode_steps = self.shown_rows + explosion_delay + (num_commands - 1) * self.period
        self.best_return = num_commands * _REWARD
        leads, choices, count = _choices(arena_size, allowed_commands)
        self._leads, self._choices, self._num_choices = (
            part.to(self.device) for part in (leads, choices, count)
        )
        self._painter: StripPainter | None = None
        if self.shows_pixels:
            self._painter = self._make_painter()

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        draws = hash_prefix(seed, env_index, episode)
        start = randint(self.size**2, _START, prefix=draws)
        number = torch.arange(self.num_commands, device=draws.device)
        drawn = hash_integers(_COMMANDS, number, prefix=draws[:, None])
        commands, targets, cell = [], [], start
        for step in range(self.num_commands):
            choice = (drawn[:, step] * self._num_choices[cell]) >> 32
            commands.append(self._choices[cell, choice])
            cell = self._leads[cell, commands[-1]]
            targets.append(cell)
        return {
            "position": start,
            "rotation": torch.zeros_like(seed),
            "commands": torch.stack(commands, dim=1),
            "targets": torch.stack(targets, dim=1),
            "completed": torch.zeros_like(seed),
        }

    def _phase(self, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which command counts on the row after `time` actions, which explosion is the last, and how old it is.

        Returns:
            int64 [B] each: 0 … n - 1; −1 or less before the first explosion; 0 on the row on which it began.
        """
        since_first = time - self.shown_rows - self.explosion_delay
        explosion = torch.div(since_first, self.period, rounding_mode="floor")
        age = since_first - explosion * self.period
        current = (explosion + (age >= self.explosion_duration).long()).clamp(0, self.num_commands - 1)
        return current, explosion, age

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        may_act = time + 1 >= self.shown_rows
        moved = {
            key: torch.where(may_act, value, task[key]) for key, value in self.move(task, action).items()
        }
        current, explosion, age = self._phase(time + 1)
        is_on = (explosion >= 0) & (age < self.explosion_duration)
        is_right = moved["position"] == task["targets"].gather(1, current[:, None]).squeeze(1)
        earned = is_on & (age == 0) & is_right
        terminated = is_on & (~is_right | ((explosion == self.num_commands - 1) & (age == 0)))
        after = {**task, **moved, "completed": task["completed"] + earned}
        return after, earned * _REWARD, terminated, torch.zeros_like(terminated)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {
            "success": task["completed"] == self.num_commands,
            "commands_completed": task["completed"] / self.num_commands,
        }

    def _shown(self, time: Tensor) -> Tensor:
        """Which command's turn it is to be shown, int64 [B]; only sensible while `_is_shown`."""
        return (time // self.show_period).clamp(max=self.num_commands - 1)

    def _sign(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        """The command that the row shows, plus 1; 0: none."""
        is_shown = (time < self.shown_rows) & (time % self.show_period < self.show_duration)
        command = task["commands"].gather(1, self._shown(time)[:, None]).squeeze(1)
        return torch.where(is_shown, 1 + command, 0)

    def _safe_cell(self, task: dict[str, Tensor], time: Tensor) -> tuple[Tensor, Tensor]:
        """The cell that counts, int64 [B], and whether all others explode, bool [B]."""
        current, explosion, age = self._phase(time)
        cell = task["targets"].gather(1, current[:, None]).squeeze(1)
        return cell, (explosion >= 0) & (age < self.explosion_duration)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the command that counts, by when its sign was last seen, and the cell to which it leads."""
        current, _, _ = self._phase(time)
        last_shown = current * self.show_period + self.show_duration - 1
        command = task["commands"].gather(1, current[:, None]).squeeze(1)
        cell, is_on = self._safe_cell(task, time)
        return {
            "command": Hidden(command, self.allowed_commands, rows_ago=(time - last_shown).clamp(min=0)),
            "target": Hidden(cell, self.size**2, is_shown=is_on),
        }

    def symbols(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        cell, is_on = self._safe_cell(task, time)
        safe = [torch.where(is_on, 1 + place, 0) for place in (cell // self.size, cell % self.size)]
        position = task["position"]
        place = [position // self.size, position % self.size]
        return torch.stack([*place, task["rotation"], self._sign(task, time), *safe], dim=1)

    def pixels(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        painter = self._painter = self._painter or self._make_painter()
        cell, is_on = self._safe_cell(task, time)
        x, y = cell // self.size, cell % self.size
        sign = self._sign(task, time)
        signs = torch.where(sign > 0, 1 + self.size + sign, 0)
        here = painter.columns == x[:, None]
        scene = torch.where(is_on[:, None], torch.where(here, (2 + y)[:, None], 1), signs[:, None])
        position = task["position"]
        return painter.paint(scene, position // self.size, position % self.size, task["rotation"])

    def _make_painter(self) -> StripPainter:
        """What draws: the scenes are all safe, all deadly, one row safe, and all safe with a command's sign."""
        size = self.size
        is_deadly = torch.zeros(2 + size + self.allowed_commands, size, size, dtype=torch.bool)
        is_deadly[1 : 2 + size] = True
        for row in range(size):
            is_deadly[2 + row, :, row] = False
        scenes = torch.stack([draw_arena(deadly) for deadly in is_deadly])
        signs = torch.zeros(scenes.shape[:-1], dtype=torch.bool)
        for number, name in enumerate(list(COMMANDS)[: self.allowed_commands]):
            signs[2 + size + number] = draw_command(name)
        return StripPainter(scenes, size, TILE, 2 * (SIDE // TILE), self.device, signs=signs)

    def render(self, index: int) -> np.ndarray:
        """Draw what is seen, five times as large, with a green frame around the cell that counts."""
        picture = self.picture(index)
        assert self.state is not None
        state = self.state[index : index + 1]
        cell, _ = self._safe_cell(dict(state["task"].items()), state["time"])
        frame(tile_of(picture, divmod(int(cell), self.size), self.size, TILE))
        return picture


def _choices(size: int, allowed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where commands lead, and which may be given.

    Returns:
        The cell to which a command leads, int64 [size**2, allowed], the cell itself where it leads outside; the
        commands that do not, in their order, int64 [size**2, allowed], of which the first that many count, int64
        [size**2].
    """
    steps = torch.tensor(list(COMMANDS.values())[:allowed])
    cell = torch.arange(size**2)[:, None]
    x, y = cell // size + steps[:, 0], cell % size + steps[:, 1]
    is_inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    order = (~is_inside).long().argsort(dim=1, stable=True)
    return torch.where(is_inside, x * size + y, cell), order, is_inside.sum(1)
