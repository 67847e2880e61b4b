"""RepeatFirst: name the suit of the first card, at every step."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.cards import PACK, VALUES, Decks, deal_key, draw, full_decks, payoff


class RepeatFirst(NativeVectorEnv):
    """Cards are shown one by one until the deck is empty; every action should be the suit of the first.

    Observation Discrete(4), the suit on top; action Discrete(4). With N = 52 `num_decks` cards an episode has
    N - 1 actions, each worth 1 / (N - 1) if right and minus that if wrong.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards that are shuffled together.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_decks": 1},
        "medium": {"num_decks": 8},
        "hard": {"num_decks": 16},
    }

    def __init__(
        self,
        num_envs: Count,
        num_decks: Decks = 1,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/repeat_first"
        self.num_cards = PACK * num_decks
        self.max_episode_steps = self.num_cards - 1
        self.single_observation_space = gs.Discrete(VALUES["suits"])
        self.single_action_space = gs.Discrete(VALUES["suits"])

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = deal_key(seed, env_index, episode)
        suit, deck = draw(full_decks(len(key), self.num_cards, VALUES["suits"], self.device), key, 0)
        return {"key": key, "deck": deck, "suit": suit, "first": suit}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        step = time + 1
        reward = payoff(action == task["first"], 1.0 / (self.num_cards - 1))
        suit, deck = draw(task["deck"], task["key"], step)
        terminated = step == self.max_episode_steps
        return {**task, "deck": deck, "suit": suit}, reward, terminated, torch.zeros_like(terminated)

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["suit"]
