"""Parity of the bits so far."""

from __future__ import annotations

import torch

from engram.common.option_types import Count, Index
from engram.envs.diagnostic.word_problem import Asked, WordProblem

_TRANSITIONS = ((0, 1), (1, 0))  # a 0 leaves the parity, a 1 turns it


class Parity(WordProblem):
    """Say after every bit whether there were an odd number of ones so far: the word problem of the group of two.

    Row t, from 0, shows a fair bit, 0 or 1, and its action is to be the exclusive or of bits 0 to t. With
    `asked=every` each of the `length` answers is worth `1 / length` if it is right, else the negative; with
    `asked=last` the last alone is asked for, and worth 1 or -1. The episode terminates with the last answer, and is a
    success if all were right; its last row shows the blank 2.

    The best return is 1. Guessing gives 0, which is also the best without a memory, as long as the agent does not see
    its previous action: that holds the parity so far. A diagonal linear memory whose factors are positive cannot
    do it for sequences of any length.

    Args:
        num_envs: number of environments B.
        length: bits in the sequence.
        asked: `every` row asks for the parity, or the `last` bit alone.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        length: Count = 16,
        asked: Asked = "every",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__("diagnostic/parity", num_envs, _TRANSITIONS, length, asked, device, env_index_offset)
