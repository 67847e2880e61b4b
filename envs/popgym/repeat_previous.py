"""RepeatPrevious: name the suit of the card that was shown some steps before."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from engram.common.checked import require
from engram.common.option_types import Count, Index
from engram.envs.hidden import Hidden
from engram.envs.popgym.cards import VALUES, Decks, ShownCards, draw, payoff


class RepeatPrevious(ShownCards):
    """Cards are shown one by one until the deck is empty; actions should be the suit shown k - 1 cards before.

    Observation Discrete(4), the suit on top; action Discrete(4). With N = 52 `num_decks` cards an episode has
    N - 1 actions. From the k-th on, when k cards have been seen, each is worth 1 / (N - k) if right and minus
    that if wrong; those before are worth nothing.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards that are shuffled together.
        k: the distance of recall, from 1 (the card in view) to N - 1.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    name = "popgym/repeat_previous"
    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_decks": 1, "k": 4},
        "medium": {"num_decks": 2, "k": 32},
        "hard": {"num_decks": 3, "k": 64},
    }

    def __init__(
        self,
        num_envs: Count,
        num_decks: Decks = 1,
        k: Count = 4,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, num_decks, device, env_index_offset)
        require(k < self.num_cards, "k", f"less than the number of cards ({self.num_cards})", k, self)
        self.k = k

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        task = super().begin(seed, env_index, episode)
        # The last k suits; card t lies at t modulo k.
        seen = torch.zeros(len(seed), self.k, dtype=torch.uint8, device=self.device)
        seen[:, 0] = task["card"]
        return {**task, "seen": seen}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        step = time + 1
        # What is asked for lies where the next card goes.
        place = (step % self.k).unsqueeze(1)
        right = action == task["seen"].gather(1, place).squeeze(1)
        reward = payoff(right, 1.0 / (self.num_cards - self.k)).masked_fill(step < self.k, 0.0)
        card, deck = draw(task["deck"], task["key"], step)
        seen = task["seen"].scatter(1, place, card.to(torch.uint8).unsqueeze(1))
        terminated = step == self.max_episode_steps
        moved = {**task, "deck": deck, "card": card, "seen": seen}
        return moved, reward, terminated, torch.zeros_like(terminated)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:  # noqa: D102
        found = {}
        for ago in range(1, self.k):
            card = task["seen"].gather(1, ((time - ago) % self.k).unsqueeze(1)).squeeze(1).long()
            rows_ago = torch.where(time >= ago, ago, -1)
            found[f"card_{ago}_ago"] = Hidden(card, VALUES[self.shown], rows_ago=rows_ago)
        return found
