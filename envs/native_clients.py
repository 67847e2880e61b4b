"""What clients of Gymnasium expect besides rows: seeds, spaces of their own, lengths of episodes and infos."""

from __future__ import annotations

import copy
import math
from typing import Any, SupportsIndex

import gymnasium.spaces as gs
import numpy as np
from gymnasium.envs.registration import EnvSpec
from torch import Tensor

from engram.common.random import hash_to_int
from engram.common.spaces import walk
from engram.envs.native import NativeVectorEnv

_MASK = 2**64 - 1


def native_seed(seed: SupportsIndex) -> int:
    """Return a native's seed for any that Gymnasium takes: itself, or a hash of one of 2**63 or more."""
    number = int(seed)
    if number < 2**63:
        return number
    words = [number >> shift & _MASK for shift in range(0, number.bit_length(), 64)]
    return hash_to_int("high", *words) >> 1 << 32 | hash_to_int("low", *words)


def own_space(space: gs.Space[Any]) -> gs.Space[Any]:
    """Return an equal space with generators of its own, so that who draws from one changes no other."""
    own = copy.deepcopy(space)
    forget_generators(own)
    return own


def forget_generators(space: gs.Space[Any]) -> None:
    """Let the space and its parts seed themselves anew when they are next drawn from, in place."""
    for _, part in walk(space):
        part._np_random = None  # type: ignore[assignment]


class KnowsItsLength:
    """A client's spec with the length of the native's longest episode, unless it has a limit of its own.

    It is not registered, since it depends on options, and since `gymnasium.make` would then wrap what ends by
    itself into a `TimeLimit`, which calls every end at the limit a truncation.
    """

    native: NativeVectorEnv
    _spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """How it was made."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None and spec.max_episode_steps is None:
            spec = copy.copy(spec)
            longest = getattr(self.native, "max_episode_steps", math.inf)
            spec.max_episode_steps = None if longest == math.inf else int(longest)
        self._spec = spec


def batched_infos(native: NativeVectorEnv, told: np.ndarray) -> dict[str, Any]:
    """Return the infos of environments as Gymnasium's vectors have them.

    Args:
        native: whose they are.
        told: bool [B], which environments have something to tell.

    Returns:
        For every key an array [B, ...], and under the key after a `_` where it is told, bool [B]; an episode's outcome
        is told with its last row.
    """
    assert native.state is not None
    task, row = dict(native.state["task"].items()), native.pending_row()
    is_first, is_last = (told & row[key].cpu().numpy() for key in ("is_first", "is_last"))
    found: list[tuple[np.ndarray, dict[str, Tensor]]] = []
    if type(native).infos is not NativeVectorEnv.infos:
        parts = ((is_first, True), (told & ~is_first, False))
        found += [(where, native.infos(task, begins)) for where, begins in parts if where.any()]
    if is_last.any():
        found.append((is_last, native.outcome(task, row["reward"], row["is_terminal"])))
    infos: dict[str, Any] = {}
    for where, values in found:
        for key, value in values.items():
            infos[key], infos[f"_{key}"] = _where(where, value), where
    return infos


def _where(where: np.ndarray, value: Tensor) -> np.ndarray:
    """A copy of the values, zero elsewhere."""
    values = np.array(value.cpu().numpy())
    values[~where] = 0
    return values
