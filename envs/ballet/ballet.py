"""The ballet of Lampinen et al. (2021): watch solos one after the other, then go to the dancer of the named one."""

from __future__ import annotations

from typing import Annotated

import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_integers, hash_prefix, purpose, randint
from engram.envs.ballet.dances import COMPASS, DANCE_LENGTH, DANCES, compass_steps, dance_offsets
from engram.envs.ballet.pictures import (
    AGENT,
    CELL,
    COLORS,
    DANCERS,
    FLOOR,
    SHAPES,
    WALL,
    make_sprites,
    paint,
)
from engram.envs.beginnings import redrawn
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.running import one_environment

_ROOM = 11
"""Cells along a side of the room with its walls, and of the view."""
_PLACES = tuple((row, column) for row in (2, 5, 8) for column in (2, 5, 8) if (row, column) != (5, 5))
_PLACE, _DANCE, _SHAPE, _COLOR, _TARGET = (
    purpose(name) for name in ("places", "dances", "shapes", "colors", "target")
)
# (dancers, delay) -> mean return of uniformly random actions, measured over 10,000 episodes.
CHANCE_RETURNS = {
    (2, 16): 0.482,
    (4, 16): 0.248,
    (8, 16): 0.125,
    (2, 48): 0.502,
    (4, 48): 0.249,
    (8, 48): 0.125,
}


class Ballet(NativeVectorEnv):
    """Remember who danced what; the rules and pictures are those of Lampinen et al. (2021), appendix on the ballet.

    The agent stands in the middle of a room among dancers of different shapes and colours. One after the other each
    dances a dance of its own, 16 moves, and `delay - 1` rows without a move follow each; the agent cannot act. Then
    it is told the name of one of the dances, and goes to the dancer who danced it: reward 1 and a success if it is the
    right one, else 0. Reaching any dancer terminates. Dancer i moves on rows `i (15 + delay)` to
    `i (15 + delay) + 15`, and the first action that counts is the one on row `num_dancers (15 + delay)`.

    The actions are the eight directions N, NE, E, SE, S, SW, W, NW; walls block. An observation has the `image`,
    uint8 [99, 99, 3]: 11 x 11 cells around the agent (white), black outside of the walls (grey), and the
    `instruction`: 0 while dances are shown, then 1 and the number of the dance in
    `engram.envs.ballet.dances.DANCES`. The episode is truncated after 320 actions where the delay is at most 16, else
    after 1,024.

    Going to any dancer at all is worth 1 / num_dancers; random actions reach none in some episodes.

    Args:
        num_envs: number of environments B.
        num_dancers: how many dance, 1 to 8.
        delay: from the last move of a dance to the first of the next, or to the choice, in rows.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        num_dancers: Annotated[int, Whole(1, 8)] = 2,
        delay: Annotated[int, Whole(1, 100)] = 16,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "ballet/ballet"
        self.num_dancers = num_dancers
        self.period = DANCE_LENGTH - 1 + delay
        self.choice = num_dancers * self.period
        self.max_episode_steps = 320 if delay <= 16 else 1024
        side = _ROOM * CELL
        self.single_observation_space = gs.Dict(
            {"image": gs.Box(0, 255, (side, side, 3), np.uint8), "instruction": gs.Discrete(1 + len(DANCES))}
        )
        self.single_action_space = gs.Discrete(len(COMPASS))
        self.best_return, self.chance_return = 1.0, CHANCE_RETURNS.get((num_dancers, delay))
        self._places = torch.tensor(_PLACES).to(self.device)
        self._steps, self._offsets = compass_steps().to(self.device), dance_offsets().to(self.device)
        self._sprites = make_sprites().to(self.device)
        self._views = _empty_views().to(self.device)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return self.begin_within(seed, env_index, episode, torch.zeros_like(episode))

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        draws = hash_prefix(seed, env_index, trial)
        shape, color = self._some(draws, _SHAPE, len(SHAPES)), self._some(draws, _COLOR, len(COLORS))
        return {
            "place": self._places[self._some(draws, _PLACE, len(_PLACES))],
            "dance": self._some(draws, _DANCE, len(DANCES)),
            "sprite": DANCERS + shape * len(COLORS) + color,
            "target": randint(self.num_dancers, _TARGET, prefix=redrawn(draws, number)),
            "agent": torch.full((len(seed), 2), _ROOM // 2, device=seed.device),
        }

    def _some(self, draws: Tensor, kind: int, count: int) -> Tensor:
        """Draw a different one of `count` for every dancer, int64 [B, num_dancers]."""
        every = torch.arange(count, device=draws.device)
        order = hash_integers(kind, every, prefix=draws[:, None]).argsort(dim=1, stable=True)
        return order[:, : self.num_dancers].contiguous()

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        may_move = time >= self.choice
        step = torch.where(may_move[:, None], self._steps[action], 0)
        there = task["agent"] + step
        is_free = ((there > 0) & (there < _ROOM - 1)).all(1, keepdim=True)
        agent = torch.where(is_free, there, task["agent"])
        # No one dances any more when the agent walks.
        reached = (task["place"] == agent[:, None]).all(2) & may_move[:, None]
        right = reached.gather(1, task["target"][:, None]).squeeze(1)
        after = {**task, "agent": agent}
        return after, right.to(torch.float32), reached.any(1), time + 1 == self.max_episode_steps

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": reward > 0}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return which dance each dancer dances, in their order, and from the choice on who danced the one named.

        A dance is shown while it is danced; before, nobody can know it.
        """
        dances = {}
        for dancer in range(self.num_dancers):
            since = time - dancer * self.period - DANCE_LENGTH + 1
            rows_ago = torch.where(since >= -DANCE_LENGTH + 1, since.clamp(min=0), -1)
            dances[f"dance_{dancer + 1}"] = Hidden(task["dance"][:, dancer], len(DANCES), rows_ago=rows_ago)
        since_named = time - task["target"] * self.period - DANCE_LENGTH + 1
        since_named = torch.where(time >= self.choice, since_named, -1)
        return {**dances, "target": Hidden(task["target"], self.num_dancers, rows_ago=since_named)}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> TensorDict:  # noqa: D102
        named = task["dance"].gather(1, task["target"][:, None]).squeeze(1)
        parts = {
            "image": paint(self._cells(task, time), self._sprites),
            "instruction": torch.where(time >= self.choice, 1 + named, 0),
        }
        return TensorDict(parts, batch_size=[len(time)])

    def _cells(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        """What the cells around the agent show, int64 [B, 11, 11]."""
        dancer = torch.arange(self.num_dancers, device=time.device)
        moves = (time[:, None] - dancer * self.period + 1).clamp(0, DANCE_LENGTH)
        agent = task["agent"]
        seen = task["place"] + self._offsets[task["dance"], moves] - agent[:, None] + _ROOM // 2
        is_inside = ((seen >= 0) & (seen < _ROOM)).all(2)
        # Who is outside of the view is put into a cell behind its last one. Dancers cover the agent.
        cell = torch.where(is_inside, seen[..., 0] * _ROOM + seen[..., 1], _ROOM**2)
        views = self._views[agent[:, 0] * _ROOM + agent[:, 1]]
        return views.scatter(1, cell, task["sprite"])[:, :-1].unflatten(1, (_ROOM, _ROOM))

    def render(self, index: int) -> np.ndarray:
        """Draw what the agent sees, four times as large; once it may choose, the right dancer is framed."""
        task, _ = one_environment(self, index)
        assert self.state is not None
        state = self.state[index : index + 1]
        cells = self._cells(dict(state["task"].items()), state["time"])
        picture = paint(cells, self._sprites)[0].cpu().repeat_interleave(4, 0).repeat_interleave(4, 1)
        if state["time"] >= self.choice:
            top, left = ((task["place"][task["target"]] - task["agent"] + _ROOM // 2) * CELL * 4).tolist()
            side = CELL * 4
            if min(top, left) >= 0 and max(top, left) < _ROOM * side:
                framed = picture[top : top + side, left : left + side]
                inner = framed[3:-3, 3:-3].clone()
                framed[:] = torch.tensor([250, 204, 60], dtype=torch.uint8)
                framed[3:-3, 3:-3] = inner
        return picture.numpy()


def _empty_views() -> Tensor:
    """What is seen without dancers from every cell, int64 [121, 122]; the last entry is for what is outside."""
    line = torch.arange(_ROOM)
    room = torch.full((_ROOM, _ROOM), FLOOR)
    room[[0, -1]], room[:, [0, -1]] = WALL, WALL
    wide = torch.nn.functional.pad(room, (_ROOM // 2,) * 4, value=FLOOR)
    views = torch.stack([wide[row : row + _ROOM, column : column + _ROOM] for row in line for column in line])
    views[:, _ROOM // 2, _ROOM // 2] = AGENT
    return torch.nn.functional.pad(views.flatten(1), (0, 1))
