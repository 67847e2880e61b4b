"""Multi-query associative recall: which value was shown with this key?"""

from __future__ import annotations

from typing import Annotated

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_integers, hash_prefix, purpose, randint
from engram.envs.diagnostic.questions import QuestionEnv

_KEY, _VALUE, _QUERY = purpose("key"), purpose("value"), purpose("query")


class RecallPairs(QuestionEnv):
    """See pairs of a key and a value, then name the value of every key; the task of Arora et al. (2024).

    The first `num_pairs` rows show (key, value): different keys of `num_keys`, values of `num_values` drawn
    independently. The next `num_pairs` rows show these keys in another random order, each as (key, blank), where the
    blank is `num_values`; the action is to be the key's value, worth `1 / num_pairs` if it is right, else
    the negative. All other actions are free and worth nothing. The episode terminates with the last answer, after
    `2 * num_pairs` actions, and is a success if all were right; its last row is (`num_keys`, `num_values`), both blank.

    The best return is 1. Guessing gives `chance_return = 2 / num_values - 1` on average, which is also the best
    without a memory. More pairs than an agent was trained with ask for the capacity of its memory.

    Args:
        num_envs: number of environments B.
        num_pairs: pairs in an episode, 1 or more.
        num_keys: number of different keys, `num_pairs` or more.
        num_values: number of different values, 2 or more.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.

    Raises:
        ValueError: if there are fewer keys than pairs.
    """

    def __init__(
        self,
        num_envs: Count,
        num_pairs: Count = 4,
        num_keys: Count = 16,
        num_values: Annotated[int, Whole(2)] = 4,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        if num_keys < num_pairs:
            raise ValueError(
                f"The keys of an episode's pairs are all different, so that num_keys must be at least "
                f"num_pairs={num_pairs}, but got {num_keys}; set num_keys={num_pairs} or more."
            )
        super().__init__(
            "diagnostic/recall_pairs",
            num_envs,
            2 * num_pairs,
            num_pairs,
            num_values,
            device,
            env_index_offset,
        )
        self.num_pairs, self.num_keys, self.num_values = num_pairs, num_keys, num_values
        self.single_observation_space = gs.MultiDiscrete([num_keys + 1, num_values + 1])

    def draw(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        place = torch.arange(self.num_pairs, device=episode.device)
        of_values = hash_prefix(seed, _VALUE, env_index, episode)[:, None]
        return {
            "keys": _shuffled(self.num_keys, hash_prefix(seed, _KEY, env_index, episode))[
                :, : self.num_pairs
            ],
            "values": randint(self.num_values, place, prefix=of_values),
            "queries": _shuffled(self.num_pairs, hash_prefix(seed, _QUERY, env_index, episode)),
        }

    def ask(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        answer = task["values"].gather(1, self._pair(task, time)).squeeze(1)
        return task, answer, time >= self.num_pairs

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        pair = self._pair(task, time)
        key, value = (task[name].gather(1, pair).squeeze(1) for name in ("keys", "values"))
        key = torch.where(time < self.length, key, self.num_keys)
        return torch.stack((key, torch.where(time < self.num_pairs, value, self.num_values)), dim=1)

    def _pair(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        """The pair that a row shows or asks for, int64 [B, 1]; any where the episode has ended."""
        asked = task["queries"].gather(1, (time - self.num_pairs).clamp(0, self.num_pairs - 1)[:, None])
        return torch.where(time < self.num_pairs, time, asked.squeeze(1))[:, None]


def _shuffled(count: int, key: Tensor) -> Tensor:
    """Put 0..count-1 into a random order for each of the keys [B]: int64 [B, count]."""
    return hash_integers(torch.arange(count, device=key.device), prefix=key[:, None]).argsort(
        dim=1, stable=True
    )
