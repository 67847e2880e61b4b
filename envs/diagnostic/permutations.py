"""The word problem of the permutations of five."""

from __future__ import annotations

import itertools
from typing import Literal

import torch

from engram.common.option_types import Count, Index
from engram.envs.diagnostic.word_problem import Asked, WordProblem

_ALL = tuple(itertools.permutations(range(5)))
_TOKENS = {
    "swaps": tuple(g for g in _ALL if sum(image != place for place, image in enumerate(g)) == 2),
    "generators": ((1, 2, 3, 4, 0), (1, 2, 3, 0, 4)),
    "all": _ALL,
}


class Permutations(WordProblem):
    """Say after every permutation of five places where what lay at place 0 is now.

    Row t, from 0, shows a token that stands for a permutation g_t, where g(i) is the place to which it moves what lies
    at place i. The action is to be the image of 0 under `p_t = g_t ∘ p_{t-1}`, with `(g ∘ p)(i) = g(p(i))` and `p_{-1}`
    the identity. Tokens are numbered in the order of `itertools.permutations(range(5))`:

    - `swaps`: the 10 that swap two places.
    - `generators`: two, 0 the cycle of all five (i to i + 1 modulo 5), 1 the cycle of the first four. Together they
      generate all others.
    - `all`: all 120.

    Each of the three generates the group of 120, which no memory that is diagonal and linear tracks over sequences
    of any length (Merrill et al. 2024): train with short ones and ask with long ones. With `asked=every` each of the
    `length` answers is worth `1 / length` if it is right, else the negative; with `asked=last` the last alone is asked
    for, and worth 1 or -1. The episode terminates with the last answer, and is a success if all were right; its last
    row shows the blank, the number of tokens.

    The best return is 1, guessing gives -0.6. An agent that sees its previous action needs no memory: that
    is the place so far.

    Args:
        num_envs: number of environments B.
        tokens: which permutations there are.
        length: permutations in the sequence.
        asked: `every` row asks for the place, or the `last` permutation alone.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        tokens: Literal["swaps", "generators", "all"] = "swaps",
        length: Count = 16,
        asked: Asked = "every",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(
            "diagnostic/permutations", num_envs, _TOKENS[tokens], length, asked, device, env_index_offset
        )
