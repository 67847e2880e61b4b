"""HigherLower: guess whether the next card is higher or lower than the one in view."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from engram.envs.hidden import Hidden
from engram.envs.popgym.cards import VALUES, ShownCards, draw, payoff


class HigherLower(ShownCards):
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

    name = "popgym/higher_lower"
    shown, num_actions = "ranks", 2
    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_decks": 1},
        "medium": {"num_decks": 2},
        "hard": {"num_decks": 3},
    }

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        step = time + 1
        card, deck = draw(task["deck"], task["key"], step)
        right = (card > task["card"]) == (action == 0)
        reward = payoff(right, 1.0 / self.num_cards).masked_fill(card == task["card"], 0.0)
        terminated = step == self.max_episode_steps
        return {**task, "deck": deck, "card": card}, reward, terminated, torch.zeros_like(terminated)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return how many cards of each rank are left."""
        up_to = task["deck"].to(torch.int64)
        left = up_to.diff(dim=1, prepend=torch.zeros_like(up_to[:, :1]))
        most = self.num_cards // VALUES["ranks"]
        return {"left": Hidden(left, most + 1, rows_ago=torch.zeros_like(time))}
