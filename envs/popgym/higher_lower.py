"""HigherLower: guess whether the next card is higher or lower than the one in view."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.cards import PACK, VALUES, Decks, deal_key, draw, full_decks, payoff


class HigherLower(NativeVectorEnv):
    """Cards are shown one by one until the deck is empty; every action bets on the next one.

    Observation Discrete(13), the rank on top, from ace to king; action 0 says that the next is higher, 1 that it is
    lower. With N = 52 `num_decks` cards an episode has N - 1 actions, each worth 1 / N if right and minus that
    if wrong, and nothing if the ranks are equal. Who counts the cards knows the odds.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards that are shuffled together.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_decks": 1},
        "medium": {"num_decks": 2},
        "hard": {"num_decks": 3},
    }

    def __init__(
        self,
        num_envs: Count,
        num_decks: Decks = 1,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/higher_lower"
        self.num_cards = PACK * num_decks
        self.max_episode_steps = self.num_cards - 1
        self.single_observation_space = gs.Discrete(VALUES["ranks"])
        self.single_action_space = gs.Discrete(2)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = deal_key(seed, env_index, episode)
        rank, deck = draw(full_decks(len(key), self.num_cards, VALUES["ranks"], self.device), key, 0)
        return {"key": key, "deck": deck, "rank": rank}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        step = time + 1
        rank, deck = draw(task["deck"], task["key"], step)
        right = (rank > task["rank"]) == (action == 0)
        reward = payoff(right, 1.0 / self.num_cards).masked_fill(rank == task["rank"], 0.0)
        terminated = step == self.max_episode_steps
        return {**task, "deck": deck, "rank": rank}, reward, terminated, torch.zeros_like(terminated)

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["rank"]
