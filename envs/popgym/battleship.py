"""POPGym's Battleship: sink all ships on a board that is never shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.checked import require
from engram.common.option_types import Count, Index
from engram.common.random import hash_integers, purpose
from engram.envs.drawing import BOARD_SIZE, RED, WHITE, YELLOW, Mark, draw_grid
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.boards import add_cell, choose, has_cell, num_words, pack, unpack
from engram.envs.running import one_environment

_SHIPS = purpose("ships")


class Battleship(NativeVectorEnv):
    """Guess cells (row, column) until every ship is sunk.

    The observation is 1 after a hit, else 0; it does not say where. A hit is worth 1 / n, where the ships
    cover n cells; anything else, a second guess of a hit too, costs 1 / (board_size**2 - n). The episode
    terminates when all n are hit, a success, and is truncated after board_size**2 guesses.

    The ships are placed in their order, each uniformly among all places, both ways round, that earlier ones
    leave free. They may touch.

    Args:
        num_envs: number of environments B.
        board_size: side of the board.
        ship_sizes: length of every ship.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"board_size": 8, "ship_sizes": (2, 3, 3, 4)},
        "medium": {"board_size": 10, "ship_sizes": (2, 3, 3, 4)},
        "hard": {"board_size": 12, "ship_sizes": (2, 3, 3, 4)},
    }

    def __init__(
        self,
        num_envs: Count,
        board_size: Count = 10,
        ship_sizes: Sequence[Count] = (2, 3, 3, 4),
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/battleship"
        self.board_size = board_size
        self.ship_sizes = tuple(ship_sizes)
        self.num_cells = board_size**2
        self.needed_hits = sum(self.ship_sizes)
        self._check()
        self.max_episode_steps = self.num_cells
        self.single_observation_space = gs.Discrete(2)
        self.single_action_space = gs.MultiDiscrete([board_size, board_size])
        self._places = [self._list_places(size).to(self.device) for size in self.ship_sizes]
        self._packed_places = [pack(places) for places in self._places]

    def _check(self) -> None:
        """Refuse a fleet for which earlier ships could leave a later one no place."""
        side, earlier = self.board_size, 0
        always = f"ships that always fit: each of size s needs less than {side} * ({side} // s) cells taken before it"
        for size in self.ship_sizes:
            # To keep a ship out of a row takes a cell in each of the row's disjoint places.
            require(earlier < side * (side // size), "ship_sizes", always, self.ship_sizes, self)
            earlier += size
        some = f"ships that cover some of the {self.num_cells} cells, not all of them"
        require(0 < self.needed_hits < self.num_cells, "ship_sizes", some, self.ship_sizes, self)

    def _list_places(self, size: int) -> Tensor:
        """All places of a ship as the cells they cover, bool [P, C], in the order of `_free_places`."""
        starts = self.board_size - size + 1
        row, column = torch.meshgrid(torch.arange(self.board_size), torch.arange(starts), indexing="ij")
        along = torch.arange(size)
        across = (row * self.board_size + column).flatten().unsqueeze(1) + along
        row, column = torch.meshgrid(torch.arange(starts), torch.arange(self.board_size), indexing="ij")
        down = (row * self.board_size + column).flatten().unsqueeze(1) + along * self.board_size
        cells = torch.cat([across, down])
        return torch.zeros(len(cells), self.num_cells, dtype=torch.bool).scatter_(1, cells, True)

    def _free_places(self, taken: Tensor, size: int) -> Tensor:
        """Where a ship can lie, bool [B, P], given the taken cells, bool [B, C]."""
        starts = self.board_size - size + 1
        free = ~taken.unflatten(1, (self.board_size, self.board_size))
        across, down = free[:, :, :starts], free[:, :starts]
        for offset in range(1, size):
            across = across & free[:, :, offset : starts + offset]
            down = down & free[:, offset : starts + offset]
        return torch.cat([across.flatten(1), down.flatten(1)], dim=1)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        taken = torch.zeros(len(seed), self.num_cells, dtype=torch.bool, device=seed.device)
        ships = torch.zeros(len(seed), num_words(self.num_cells), dtype=torch.int64, device=seed.device)
        for ship, size in enumerate(self.ship_sizes):
            draw = hash_integers(seed, _SHIPS, env_index, episode, ship)
            place = choose(self._free_places(taken, size), draw)
            taken = taken | self._places[ship][place]
            ships = ships | self._packed_places[ship][place]
        zero = torch.zeros_like(seed)
        return {"ships": ships, "guesses": torch.zeros_like(ships), "hits": zero, "hit": zero.clone()}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        cell = action[:, 0] * self.board_size + action[:, 1]
        is_hit = has_cell(task["ships"] & ~task["guesses"], cell)
        hits = task["hits"] + is_hit
        miss = -1.0 / (self.num_cells - self.needed_hits)
        after = {
            "ships": task["ships"],
            "guesses": add_cell(task["guesses"], cell),
            "hits": hits,
            "hit": is_hit.to(torch.int64),
        }
        reward = torch.where(is_hit, 1.0 / self.needed_hits, miss)
        return after, reward, hits == self.needed_hits, time + 1 >= self.max_episode_steps

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": is_terminal}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return what is known of every cell: 0 not aimed at, 1 water, 2 a ship."""
        ships, guesses = (unpack(task[key], self.num_cells).long() for key in ("ships", "guesses"))
        return {"board": Hidden(guesses * (1 + ships), 3, rows_ago=torch.zeros_like(time))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["hit"]

    def render(self, index: int) -> np.ndarray:
        """Draw the board: unseen ships in grey, hits as crosses, misses as dots, the last guess framed."""
        task, last = one_environment(self, index)
        ships, guesses = (
            unpack(task[key], self.num_cells).view(self.board_size, self.board_size)
            for key in ("ships", "guesses")
        )
        marks = [
            Mark(row, column, "cross" if ships[row, column] else "dot", WHITE)
            for row, column in guesses.nonzero().tolist()
        ]
        if last is not None:
            row, column = last.tolist()
            marks.append(Mark(row, column, "frame", YELLOW))
        water, unseen = (46, 92, 150), (112, 128, 148)
        return draw_grid(
            ships.int() + (ships & guesses), (water, unseen, RED), BOARD_SIZE // self.board_size, marks
        )
