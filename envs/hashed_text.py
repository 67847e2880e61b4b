"""Texts in observations as numbers: their words, hashed."""

from __future__ import annotations

import functools
import itertools
import re
from typing import Any, Literal

import gymnasium
import gymnasium.spaces as gs
import numpy as np

from engram.common.random import hash_to_int
from engram.common.spaces import as_sample, fold, is_text, leaves

Text = Literal["drop", "hash"]


def has_text(space: gs.Space[Any]) -> bool:
    """Whether a space or a part of it is of texts."""
    return any(is_text(leaf) for _, leaf in leaves(space))


class HashedText(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Shows each text of an observation as a row of numbers.

    Every word, and every two words that follow each other, counts as 1 or -1 at one of `size` places; which place and
    sign is a hash of it (Weinberger et al. 2009). So no vocabulary is needed, and a sentence has the same numbers in
    every run. Letters are read as small ones.

    Args:
        env: the environment.
        size: numbers of each text.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], size: int) -> None:
        super().__init__(env)
        self._size = size
        numbers = gs.Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_space = fold(
            env.observation_space,
            lambda path, leaf: numbers if is_text(leaf) else leaf,
            lambda path, nested, parts: (
                gs.Dict(list(parts.items()))
                if isinstance(nested, gs.Dict)
                else gs.Tuple(list(parts.values()))
            ),
        )

    def observation(self, observation: Any) -> Any:
        """Return the observation with numbers in the place of texts."""

        def of_leaf(path: tuple[str, ...], leaf: gs.Space[Any]) -> Any:
            value = observation
            for key in path:
                value = value[key] if isinstance(value, dict) else value[int(key)]
            return hashed_words(str(value), self._size).copy() if is_text(leaf) else value

        return fold(self.env.observation_space, of_leaf, as_sample)


@functools.lru_cache(maxsize=4096)
def hashed_words(text: str, size: int) -> np.ndarray:
    """Return the numbers of a text, float32 [size]; not to be changed."""
    words = re.findall(r"\w+", text.lower())
    numbers = np.zeros(size, dtype=np.float32)
    for term in (*words, *(f"{one} {two}" for one, two in itertools.pairwise(words))):
        drawn = hash_to_int("word", term)
        numbers[(drawn >> 1) % size] += 1.0 if drawn & 1 else -1.0
    return numbers
