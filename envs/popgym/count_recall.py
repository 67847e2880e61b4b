"""CountRecall: say how often the value asked for has been shown."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Number
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.cards import PACK, VALUES, Decks, deal_key, draw, full_decks, payoff


class CountRecall(NativeVectorEnv):
    """Two decks are dealt side by side: what is shown, and which value is asked for.

    Observation MultiDiscrete([K, K]): the value shown and the value asked for, of K = 2, 4 or 13 colours, suits or
    ranks. Action Discrete(N / K + 1): how often the value asked for has been shown so far, the card in view
    included. With N = 52 `num_decks` cards an episode has N - 1 actions, each worth 1 / (N - 1) if right and
    minus that if wrong.

    Args:
        num_envs: number of environments B.
        num_decks: packs of 52 cards in each deck.
        error_clamp: without effect, as in the package.
        deck_type: `colors`, `suits` or `ranks`.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_decks": 1, "deck_type": "colors"},
        "medium": {"num_decks": 2, "deck_type": "suits"},
        "hard": {"num_decks": 4, "deck_type": "ranks"},
    }

    def __init__(
        self,
        num_envs: Count,
        num_decks: Decks = 1,
        error_clamp: Number = 0.5,
        deck_type: Literal["colors", "suits", "ranks"] = "colors",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/count_recall"
        self.num_cards = PACK * num_decks
        self.max_episode_steps = self.num_cards - 1
        self.num_values = VALUES[deck_type]
        self.most = self.num_cards // self.num_values
        self.single_observation_space = gs.MultiDiscrete([self.num_values] * 2)
        self.single_action_space = gs.Discrete(self.most + 1)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = deal_key(seed, env_index, episode)
        deck = full_decks(len(key), self.num_cards, self.num_values, self.device)
        value, values = draw(deck, key, 0)
        query, queries = draw(deck, key, 1)
        return {"key": key, "values": values, "queries": queries, "shown": torch.stack([value, query], 1)}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        step = time + 1
        query = task["shown"][:, 1:]
        # The deck holds sums of the cards left: those up to the query, less those before it.
        up_to = task["values"].gather(1, query)
        before = task["values"].gather(1, (query - 1).clamp_(min=0)) * (query > 0)
        seen = self.most - (up_to - before).squeeze(1)
        reward = payoff(action == seen, 1.0 / (self.num_cards - 1))
        value, values = draw(task["values"], task["key"], 2 * step)
        next_query, queries = draw(task["queries"], task["key"], 2 * step + 1)
        terminated = step == self.max_episode_steps
        moved = {
            "key": task["key"],
            "values": values,
            "queries": queries,
            "shown": torch.stack([value, next_query], 1),
        }
        return moved, reward, terminated, torch.zeros_like(terminated)

    def infos(self, task: dict[str, Tensor], is_first: bool) -> dict[str, Tensor]:
        """Return `counts` int64 [B, K]: how often each value has been shown."""
        return {"counts": self._counts(task)}

    def _counts(self, task: dict[str, Tensor]) -> Tensor:
        """How often each value has been shown, int64 [B, K]."""
        up_to = task["values"].to(torch.int64)
        return self.most - up_to.diff(dim=1, prepend=torch.zeros_like(up_to[:, :1]))

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return how often each value has been shown."""
        return {"counts": Hidden(self._counts(task), self.most + 1, rows_ago=torch.zeros_like(time))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["shown"]
