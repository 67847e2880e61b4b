"""Endless Mortar Mayhem: a list of commands that grows by one whenever it has been carried out from memory."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Real, Whole
from engram.common.random import hash_prefix, purpose, randint
from engram.envs.hidden import Hidden
from engram.envs.memory_gym.arena import TILE, draw_arena
from engram.envs.memory_gym.endless_schedule import EndlessSchedule
from engram.envs.memory_gym.pictured_task import PicturedTask, frame, tile_of
from engram.envs.memory_gym.scene_painter import ScenePainter
from engram.envs.memory_gym.sprites import COMMANDS, SIDE, draw_command
from engram.envs.memory_gym.torus_walk import MARGIN, TorusWalk

_START, _PLACE, _COMMANDS = purpose("start"), purpose("place"), purpose("commands")
_SIZE = SIDE // TILE
_REWARD = 0.1
_SPEED = 3.0
CHANCE_RETURN = 0.0096
"""Mean return of uniformly random actions by the package's own rules, over 2,000,000 episodes."""


class EndlessMortarMayhem(PicturedTask):
    """Carry out a growing list of commands, always from its beginning; the rules are those of memory-gym 1.0.2.

    Signs show the first commands, one after the other, each for `show_duration` rows with `show_delay` rows after it;
    until the last of these the player cannot act. Then every command has to be carried out in its turn, from where the
    last one led: there are `explosion_delay` actions to be on its cell, before all other cells explode for
    `explosion_duration` actions. Being there when they explode is worth 0.1; being elsewhere, then or while they do,
    terminates the episode. With the last command of the list, another one is shown, while the player cannot act, and
    the whole list counts again, with the new one at its end. So an episode goes on as long as nothing is forgotten.

    The arena has 6 x 6 cells, and its opposite sides are joined, for commands too. An action has two parts: stay, left
    or right; and stay, up or down. The player moves by pixels and looks where it last went. Up to three pixels outside
    of the arena it can be, and is on no cell there.

    Commands are right, down, left, up, stay and the diagonals, drawn evenly. Symbols are the player's x and y in
    pixels, plus 3, how it looks, the command that is shown (0: none), and column and row of the one cell that is
    safe, plus 1 (0: none explodes, or it is not shown).

    Differences: the package's `max_command_sequence` also counts a list whose last command failed. From the second
    episode of one environment on, it shows the player where it died until it can act; here no row shows the past.

    Args:
        num_envs: number of environments B.
        initial_commands: on the list when an episode begins.
        allowed_commands: how many of the nine kinds there are.
        show_duration: rows on which a command is shown.
        show_delay: rows after each without a sign.
        explosion_delay: actions from the end of an explosion to the next.
        explosion_duration: actions while which tiles explode.
        visual_feedback: whether is shown which tiles explode.
        agent_speed: pixels that an action moves the player.
        max_steps: actions after which an episode is truncated; null: none.
        observation: `pixels`, uint8 [84, 84, 3], or `symbols`.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        initial_commands: Count = 1,
        allowed_commands: Annotated[int, Whole(4, 9)] = 9,
        show_duration: Count = 3,
        show_delay: Index = 1,
        explosion_delay: Count = 18,
        explosion_duration: Count = 6,
        visual_feedback: bool = True,
        agent_speed: Annotated[float, Real(1, SIDE, example="3.0")] = _SPEED,
        max_steps: Count | None = None,
        observation: Literal["pixels", "symbols"] = "pixels",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        places = SIDE + 2 * MARGIN + 1
        symbols = [places, places, 8, 1 + allowed_commands, 1 + _SIZE, 1 + _SIZE]
        super().__init__(num_envs, symbols, observation == "pixels", device, env_index_offset)
        self.name = "memory_gym/endless_mortar_mayhem"
        self.single_action_space = gs.MultiDiscrete(np.array([3, 3]))
        self.allowed_commands, self.visual_feedback = allowed_commands, visual_feedback
        self.max_episode_steps = math.inf if max_steps is None else max_steps
        self.schedule = EndlessSchedule(
            initial_commands, show_duration, show_delay, explosion_delay, explosion_duration
        )
        is_package = self.schedule == EndlessSchedule(1, 3, 1, 18, 6) and agent_speed == _SPEED
        if is_package and allowed_commands == 9 and max_steps is None:
            self.chance_return = CHANCE_RETURN
        if max_steps is not None and explosion_delay >= 18 and agent_speed == _SPEED:  # there is time to walk
            self.best_return = _REWARD * self.schedule.explosions_within(max_steps)
        self._walk = TorusWalk(agent_speed, self.device)
        self._steps = torch.tensor(list(COMMANDS.values()), device=self.device)
        self._painter: ScenePainter | None = None
        if self.shows_pixels:
            self._painter = self._make_painter()

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        rules, nothing = self.schedule, torch.zeros_like(seed)
        draws = hash_prefix(seed, env_index, episode)
        start = randint(_SIZE**2, _START, prefix=draws)
        cell = torch.stack([start // _SIZE, start % _SIZE], dim=1)
        part = torch.arange(2, device=seed.device)
        beside = randint(4, _PLACE, part, prefix=draws[:, None]) - 2
        command = self._command(draws, nothing)
        return {
            "draws": draws,
            "place": cell * TILE + TILE // 2 + beside,
            "look": nothing,
            "target": (cell + self._steps.index_select(0, command)) % _SIZE,
            "command": nothing,  # the number in the list of the one that is next to be held against the place
            "num_commands": torch.full_like(seed, rules.initial_commands),
            "to_show": torch.full_like(seed, rules.initial_commands * rules.show_period - 1),
            "sign": 1 + command,
            "clock": torch.full_like(seed, -rules.explosion_delay - 1),  # actions since an explosion began
            "completed": nothing,
        }

    def _command(self, draws: Tensor, number: Tensor) -> Tensor:
        """Which command is on the list at this number, int64 [B]."""
        return randint(self.allowed_commands, _COMMANDS, number, prefix=draws)

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        to_show, clock, number, count = (task[key] for key in ("to_show", "clock", "command", "num_commands"))
        rules, is_shown = self.schedule, to_show > 0
        place, look = self._walk(task["place"], task["look"], action)
        place = torch.where(is_shown[:, None], task["place"], place)
        look = torch.where(is_shown, task["look"], look)
        clock = torch.where(is_shown, clock, torch.where(clock + 1 == rules.period, 0, clock + 1))
        # A command is asked for where a sign shows it, or where the next one begins to count: never both.
        shown = count - 1 - (to_show - 1) // rules.show_period
        command = self._command(task["draws"], torch.where(is_shown, shown, number))
        is_sign = is_shown & ((to_show - 1) % rules.show_period >= rules.show_delay)
        goes_on = ~is_shown & (clock == rules.explosion_duration)
        following = (task["target"] + self._steps.index_select(0, command)) % _SIZE
        target = torch.where(goes_on[:, None], following, task["target"])
        is_right = (place.div(TILE, rounding_mode="floor") == target).all(1)
        is_on = ~is_shown & (clock >= 0) & (clock < rules.explosion_duration)
        is_due = is_on & (clock == 0)
        earned = is_due & is_right
        is_whole = earned & (number + 1 == count)
        after = {
            **task,
            "place": place,
            "look": look,
            "target": target,
            "command": torch.where(is_whole, 0, number + is_due),
            "num_commands": count + is_whole,
            "to_show": torch.where(is_whole, rules.show_period, (to_show - 1).clamp(min=0)),
            "sign": torch.where(is_sign, 1 + command, 0),
            "clock": clock,
            "completed": task["completed"] + earned,
        }
        is_late = time + 1 == self.max_episode_steps
        return after, earned * _REWARD, is_on & ~is_right, is_late

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        longest = task["num_commands"] - 1
        return {
            "commands_completed": task["completed"],
            "max_command_sequence": torch.where(longest < self.schedule.initial_commands, 0, longest),
        }

    def _is_on(self, task: dict[str, Tensor]) -> Tensor:
        """Whether tiles explode on this row, bool [B]."""
        return (task["clock"] >= 0) & (task["clock"] < self.schedule.explosion_duration)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the command that counts, by when its sign was last seen, and the cell to which it leads."""
        is_on, number = self._is_on(task), task["command"]
        # While tiles explode, the next one does not count yet.
        number = torch.where(is_on, torch.where(number == 0, task["num_commands"] - 1, number) - 1, number)
        rows_ago = (time - self.schedule.last_shown(number)).clamp(min=0)
        command, target = self._command(task["draws"], number), task["target"]
        return {
            "command": Hidden(command, self.allowed_commands, rows_ago=rows_ago),
            "target": Hidden(_number(target), _SIZE**2, is_shown=is_on & self.visual_feedback),
        }

    def symbols(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        is_seen = (self._is_on(task) & self.visual_feedback)[:, None]
        own = torch.stack([task["look"], task["sign"]], dim=1)
        return torch.cat([task["place"] + MARGIN, own, torch.where(is_seen, 1 + task["target"], 0)], dim=1)

    def pixels(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        painter = self._painter = self._painter or self._make_painter()
        target, place = task["target"], task["place"]
        scene = torch.zeros_like(task["sign"])
        if self.visual_feedback:
            scene = torch.where(self._is_on(task), 1 + _number(target), 0)
        return painter.paint(scene, task["sign"], place[:, 0], place[:, 1], task["look"])

    def _make_painter(self) -> ScenePainter:
        """What draws: the scenes are all safe, and one cell safe; the signs are none, and those of the commands."""
        is_deadly = torch.zeros(1, _SIZE**2, dtype=torch.bool)
        if self.visual_feedback:
            is_deadly = torch.cat([is_deadly, ~torch.eye(_SIZE**2, dtype=torch.bool)])
        scenes = torch.stack([draw_arena(deadly.view(_SIZE, _SIZE)) for deadly in is_deadly])
        signs = [draw_command(name) for name in list(COMMANDS)[: self.allowed_commands]]
        return ScenePainter(scenes, torch.stack([torch.zeros_like(signs[0]), *signs]), self.device)

    def render(self, index: int) -> np.ndarray:
        """Draw what is seen, five times as large, with a green frame around the cell that counts."""
        picture = self.picture(index)
        assert self.state is not None
        frame(tile_of(picture, self.state["task", "target"][index].tolist(), _SIZE, TILE))
        return picture


def _number(cell: Tensor) -> Tensor:
    """The number of a cell [B, 2], int64 [B]."""
    return cell[:, 0] * _SIZE + cell[:, 1]
