"""Autoencode: watch a whole deck, then name its suits from the last card to the first."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium.spaces as gs
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.hidden import Hidden
from engram.envs.popgym.cards import VALUES, Decks, ShownCards, draw, payoff


class Autoencode(ShownCards):
    """All N = 52 `num_decks` cards are shown, then all suits are asked for in reverse order.

    Observation Tuple(Discrete(2), Discrete(4)): 1 while there are more cards to watch, and the suit on top.
    The last card comes with a 0; the first answer is its suit. After every answer both numbers are 0. Action
    Discrete(4). The first N - 1 actions are worth nothing; the N answers are worth 1 / N each if right and minus
    that if wrong.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards that are shuffled together.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    name = "popgym/autoencode"
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
        super().__init__(num_envs, num_decks, device, env_index_offset)
        self.max_episode_steps = 2 * self.num_cards - 1
        self.single_observation_space = gs.Tuple((gs.Discrete(2), gs.Discrete(VALUES["suits"])))

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        task = super().begin(seed, env_index, episode)
        seen = torch.zeros(len(seed), self.num_cards, dtype=torch.uint8, device=self.device)
        seen[:, 0] = task["card"]
        return {**task, "seen": seen}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        step = time + 1
        watching = step < self.num_cards
        # Forth through the cards while they are shown, then back; the step after the last one is ignored.
        place = torch.minimum(step, 2 * self.num_cards - 1 - step).clamp_(min=0).unsqueeze(1)
        answer = task["seen"].gather(1, place).squeeze(1)
        reward = payoff(action == answer, 1.0 / self.num_cards).masked_fill(watching, 0.0)
        card, deck = draw(task["deck"], task["key"], step)
        written = torch.where(watching, card.to(torch.uint8), answer)
        moved = {
            **task,
            "deck": deck,
            "card": card * watching,
            "seen": task["seen"].scatter(1, place, written.unsqueeze(1)),
        }
        terminated = step == self.max_episode_steps
        return moved, reward, terminated, torch.zeros_like(terminated)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the suit that is to be named now, 0 while cards are shown."""
        shown = (2 * self.num_cards - 2 - time).clamp(0, self.num_cards - 1)  # on which row it was
        asks = time >= self.num_cards - 1
        suit = task["seen"].gather(1, shown.unsqueeze(1)).squeeze(1).long() * asks
        return {"asked": Hidden(suit, VALUES["suits"], rows_ago=torch.where(asks, time - shown, -1))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> TensorDict:  # noqa: D102
        more = (time < self.num_cards - 1).to(torch.int64)
        return TensorDict({"0": more, "1": task["card"]}, batch_size=time.shape)
