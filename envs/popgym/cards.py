"""What the card tasks share: decks that are shuffled while they are dealt.

No task tells two cards of one value apart, so a shuffled deck need not exist: dealing a value with the
probability of its share of what is left has exactly the distribution of dealing from a shuffled deck. A deck is
then the number of cards left of each value, instead of a permutation that must be sorted when an episode begins.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import gymnasium.spaces as gs
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_prefix, purpose, randint
from engram.envs.native import NativeVectorEnv

PACK = 52
VALUES = {"colors": 2, "suits": 4, "ranks": 13}
_DEAL = purpose("deal")
# Cards left are counted in int16.
Decks = Annotated[int, Whole(1, 600, example="1")]


def full_decks(count: int, num_cards: int, num_values: int, device: torch.device) -> Tensor:
    """Make decks with equally many cards of every value.

    Returns:
        int16 [count, num_values]: entry v is the number of cards left of the values 0..v. Decks lie side by side in
        memory, value by value, so that what is done to all is done in long stretches, about twice as fast.
    """
    ends = torch.arange(1, num_values + 1, dtype=torch.int16, device=device) * (num_cards // num_values)
    return ends.unsqueeze(1).repeat(1, count).t()


def deal_key(seed: Tensor, env_index: Tensor, episode: Tensor) -> Tensor:
    """Return what all draws of these episodes have in common, int64 [B]."""
    return hash_prefix(seed, _DEAL, env_index, episode)


def draw(deck: Tensor, key: Tensor, count: int | Tensor) -> tuple[Tensor, Tensor]:
    """Deal the next card.

    Args:
        deck: [B, K], as made by `full_decks`. From an empty deck comes the value K, which means nothing.
        key: int64 [B], from `deal_key`.
        count: number of this draw in its episode, int or int64 [B].

    Returns:
        The card's value, int64 [B], and the deck without it.
    """
    place = randint(deck[:, -1], count, prefix=key).to(deck.dtype)
    # The places of the cards left, in order of their values: the card is of the first value that ends behind.
    ends_behind = (place.unsqueeze(1) < deck).view(torch.uint8)
    # In bytes, which hold the few values there are: a fifth of the time of a sum in int64.
    value = deck.shape[1] - ends_behind.sum(1, dtype=torch.uint8)
    return value.to(torch.int64), deck - ends_behind


def payoff(right: Tensor, scale: float) -> Tensor:
    """Return +scale where right and -scale elsewhere, float32 [B]."""
    return right.to(torch.float32) * (2.0 * scale) - scale


class ShownCards(NativeVectorEnv):
    """Cards are shown one by one until the deck is empty: an episode has one action fewer than cards.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards that are shuffled together.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.

    Attributes:
        shown: what is seen of a card.
        num_actions: of the space of actions; by default one for each value of a card.
    """

    shown: ClassVar[Literal["suits", "ranks"]] = "suits"
    num_actions: ClassVar[int] = VALUES["suits"]

    def __init__(
        self,
        num_envs: Count,
        num_decks: Decks = 1,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.num_cards = PACK * num_decks
        self.max_episode_steps = self.num_cards - 1
        self.single_observation_space = gs.Discrete(VALUES[self.shown])
        self.single_action_space = gs.Discrete(self.num_actions)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = deal_key(seed, env_index, episode)
        card, deck = draw(full_decks(len(key), self.num_cards, VALUES[self.shown], self.device), key, 0)
        return {"key": key, "deck": deck, "card": card}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor | TensorDict:  # noqa: D102
        return task["card"]
