"""Concentration: turn cards two at a time and remember where their equals lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.drawing import BACKGROUND, INK, RED, WHITE, YELLOW, Image, Mark, draw_grid
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.cards import PACK, VALUES, Decks, deal_key, draw, full_decks
from engram.envs.running import one_environment

_RANKS = ("A", *map(str, range(2, 11)), "J", "Q", "K")


class Concentration(NativeVectorEnv):
    """All N = 52 `num_decks` cards lie face down; every action turns one.

    Observation MultiDiscrete([K + 1] * N): the value of every card in view, of K = 2 colours or 13 ranks, and K for
    those face down. Action Discrete(N): where to turn a card. Two equal cards turned one after the other stay
    face up: reward 2 / N. Two others, or the same card twice, are seen together once and then lie face down
    again: reward -2 / L. Turning a card that is face up already is worth -1 / L as the first of two and -2 / L as
    the second, and ends the try. The episode is truncated after L = ceil(2 N - N / (2 N - 1)) actions, and
    terminated, with success, when all cards are face up.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards on the table.
        deck_type: `colors` or `ranks`, what makes two cards equal.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_decks": 1, "deck_type": "colors"},
        "medium": {"num_decks": 2, "deck_type": "colors"},
        "hard": {"num_decks": 1, "deck_type": "ranks"},
    }

    def __init__(
        self,
        num_envs: Count,
        num_decks: Decks = 1,
        deck_type: Literal["colors", "ranks"] = "ranks",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/concentration"
        self.num_cards = PACK * num_decks
        self.num_values = VALUES[deck_type]
        self.max_episode_steps = math.ceil(2 * self.num_cards - self.num_cards / (2 * self.num_cards - 1))
        self.single_observation_space = gs.MultiDiscrete([self.num_values + 1] * self.num_cards)
        self.single_action_space = gs.Discrete(self.num_cards)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = deal_key(seed, env_index, episode)
        count, face_down = len(key), self.num_values
        return {
            "key": key,
            # A card's value is drawn when it is turned for the first time: the cards not turned are alike.
            "deck": full_decks(count, self.num_cards, self.num_values, self.device),
            # v: value v, face up. K: never turned. K + 1 + v: value v, face down again.
            "cards": key.new_full((count, self.num_cards), face_down, dtype=torch.uint8),
            # Up to two cards in view that need not be face up, the last turned one second, and their values.
            "places": key.new_zeros(count, 2),
            "values": key.new_full((count, 2), face_down, dtype=torch.uint8),
            "is_open": key.new_zeros(count, dtype=torch.bool),
            "face_up": key.new_zeros(count, dtype=torch.int16),
        }

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        hidden = self.num_values + 1
        card = task["cards"].gather(1, action.unsqueeze(1)).squeeze(1)
        drawn, rest = draw(task["deck"], task["key"], time)
        is_new, was_up = card == self.num_values, card < self.num_values
        value = torch.where(is_new, drawn.to(torch.uint8), torch.where(was_up, card, card - hidden))
        is_second = task["is_open"]
        # On the first of two, the action stands for both.
        first = torch.where(is_second, task["places"][:, 1], action)
        first_value = torch.where(is_second, task["values"][:, 1], value)
        is_pair = is_second & ~was_up & (value == first_value) & (action != first)
        places, values = torch.stack([first, action], 1), torch.stack([first_value, value], 1)
        stays = torch.stack([is_pair | (was_up & ~is_second), is_pair | was_up], 1)
        face_up = task["face_up"] + is_pair.to(torch.int16) * 2
        moved = {
            "key": task["key"],
            "deck": torch.where(is_new.unsqueeze(1), rest, task["deck"]),
            "cards": task["cards"].scatter(1, places, torch.where(stays, values, values + hidden)),
            "places": places,
            "values": values,
            "is_open": ~is_second & ~was_up,
            "face_up": face_up,
        }
        return (
            moved,
            self._reward(is_pair, is_second, was_up),
            face_up == self.num_cards,
            time + 1 >= self.max_episode_steps,
        )

    def _reward(self, is_pair: Tensor, is_second: Tensor, was_up: Tensor) -> Tensor:
        """What turning a card is worth, float32 [B]."""
        turned = is_second.to(torch.float32) + (is_second | was_up)
        # Taken off 0, since minus one times 0 would be -0.
        return torch.where(is_pair, 2.0 / self.num_cards, 0.0 - turned / self.max_episode_steps)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": is_terminal}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return what is known of every card: its value, or K for one that was never turned."""
        cards = task["cards"].long()
        known = torch.where(cards > self.num_values, cards - self.num_values - 1, cards)
        return {"cards": Hidden(known, self.num_values + 1, rows_ago=torch.zeros_like(time))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        # Scattering the bytes and widening once is a third of the memory of widening first.
        seen = task["cards"].clamp(max=self.num_values)
        return seen.scatter_(1, task["places"], task["values"]).to(torch.int64)

    def render(self, index: int) -> np.ndarray:
        """Return a picture of the table: cards face up, in view, known and never turned."""
        task, _ = one_environment(self, index)
        cards, unknown = task["cards"].long(), self.num_values
        values = torch.where(cards > unknown, cards - unknown - 1, torch.where(cards == unknown, -1, cards))
        in_play = task["places"][task["values"] < unknown].tolist()
        return draw_concentration(values, cards < unknown, in_play, num_values=unknown)


def draw_concentration(
    values: Sequence[int] | Tensor,
    is_up: Sequence[bool] | Tensor,
    in_play: Sequence[int] = (),
    num_values: int = 13,
) -> Image:
    """Draw the cards of Concentration in rows of 13: hidden ones blue, found ones white, those in play framed.

    Args:
        values: [N], what is on every card: the colour in 0..1 (black, red), or the rank in 0..12; negative
            for a hidden card that has nothing on it yet.
        is_up: [N], the cards that are found.
        in_play: positions of the cards turned over just now; negative ones are ignored.
        num_values: 2 for colours, else ranks.

    Returns:
        uint8 [height, width, 3].
    """
    columns = 13
    turned = {position for position in map(int, in_play) if position >= 0}
    marks, cells = [], np.zeros((-(-len(values) // columns), columns), dtype=np.int64)
    for position, (value, up) in enumerate(zip(map(int, values), map(bool, is_up), strict=True)):
        row, column = divmod(position, columns)
        is_red, is_turned = value == 1 and num_values == 2, position in turned
        cells[row, column] = 3 if is_turned else 2 if up else 1
        if is_turned or up:
            color = RED if is_red else INK
        else:
            color = (150, 84, 110) if is_red else (48, 74, 124)
        if value >= 0:
            face = ("disc", "diamond")[value] if num_values == 2 else _RANKS[value]
            marks.append(Mark(row, column, face, color))
        if is_turned:
            marks.append(Mark(row, column, "frame", YELLOW))
    return draw_grid(cells, (BACKGROUND, (70, 104, 168), WHITE, (255, 244, 204)), (60, 44), marks)
