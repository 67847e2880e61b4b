"""RepeatFirst: name the suit of the first card, at every step."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from engram.envs.hidden import Hidden
from engram.envs.popgym.cards import VALUES, ShownCards, draw, payoff


class RepeatFirst(ShownCards):
    """Cards are shown one by one until the deck is empty; every action should be the suit of the first.

    Observation Discrete(4), the suit on top; action Discrete(4). With N = 52 `num_decks` cards an episode has
    N - 1 actions, each worth 1 / (N - 1) if right and minus that if wrong.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards that are shuffled together.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    name = "popgym/repeat_first"
    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_decks": 1},
        "medium": {"num_decks": 8},
        "hard": {"num_decks": 16},
    }

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        task = super().begin(seed, env_index, episode)
        return {**task, "first": task["card"]}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        step = time + 1
        reward = payoff(action == task["first"], 1.0 / (self.num_cards - 1))
        card, deck = draw(task["deck"], task["key"], step)
        terminated = step == self.max_episode_steps
        return {**task, "deck": deck, "card": card}, reward, terminated, torch.zeros_like(terminated)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:  # noqa: D102
        return {"first": Hidden(task["first"], VALUES[self.shown], is_shown=time == 0)}
