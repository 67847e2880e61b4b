"""The copy task: see a sequence, wait, and repeat it in order."""

from __future__ import annotations

from typing import Annotated

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_prefix, purpose, randint
from engram.envs.diagnostic.questions import QuestionEnv

_SYMBOL = purpose("symbol")


class CopySequence(QuestionEnv):
    """See `num_items` symbols, wait, and name them in the order in which they came.

    The first `num_items` rows show a symbol each, 0..num_symbols-1, drawn independently; the next `delay`
    rows the blank symbol `num_symbols`; the next `num_items` rows the signal `num_symbols + 1`. The action
    on the first of these is to be the first symbol, and so on: each is worth `1 / num_items` if it is right,
    else the negative. All other actions are free and worth nothing. The episode terminates with the last
    answer, after `2 * num_items + delay` actions, and its last row shows the blank; it is a success if all answers
    were right.

    The best return is 1; guessing gives `chance_return = 2 / num_symbols - 1` on average, which is also the
    best without a memory. The symbols are drawn anew whenever they are looked at, so that an environment
    takes the same memory at any `num_items`.

    Args:
        num_envs: number of environments B.
        num_items: symbols in the sequence, 1 or more.
        delay: blank rows between the sequence and the answers, 0 or more.
        num_symbols: number of different symbols, 2 or more.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        num_items: Count = 4,
        delay: Index = 8,
        num_symbols: Annotated[int, Whole(2)] = 4,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        self.num_symbols = num_symbols
        self.recall = num_items + delay  # the row of the first answer
        super().__init__(
            "diagnostic/copy_sequence",
            num_envs,
            self.recall + num_items,
            num_items,
            num_symbols,
            device,
            env_index_offset,
        )
        self.single_observation_space = gs.Discrete(num_symbols + 2)

    def draw(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return {"key": hash_prefix(seed, _SYMBOL, env_index, episode)}

    def ask(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        answer = randint(self.num_symbols, time - self.recall, prefix=task["key"])
        return task, answer, time >= self.recall

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        symbol = randint(self.num_symbols, time, prefix=task["key"])
        signals = (time >= self.recall) & (time < self.length)
        return torch.where(time < self.num_questions, symbol, self.num_symbols + signals.long())
