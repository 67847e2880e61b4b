"""Actions of any composition as those that agents give: choices one after the other, or numbers in one row."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np

from engram.common.actions import action_layout
from engram.common.spaces import Path, as_sample, fold, leaves, place

_MOST_CHOICES = 100_000
"""Outputs of a policy; a whole-numbered Box of more is no list of choices."""


class FlatActions(gymnasium.ActionWrapper[Any, Any, Any]):
    """Lets agents act where actions are MultiBinary, whole numbers, tables of choices, or Dicts and Tuples of these.

    Choices become one MultiDiscrete, part by part in the order of the space: a MultiBinary number has two, a number of
    a whole-numbered Box one for each value. A Dict or Tuple of float Boxes becomes one Box. What agents act in already
    stays as it is.

    Choices and numbers mixed become one Box, too: a choice is as many numbers without bounds as it has options, and the
    option of the largest is chosen. A policy of normal numbers so is one of choices, and what it learns from is exact;
    masks of such actions are not read.

    Args:
        env: the environment.

    Raises:
        ValueError: if a whole-numbered Box has no bounds, or a part is of another kind.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._inner = env.action_space
        self._parts = {path: _flat_part(leaf, path) for path, leaf in leaves(self._inner)}
        kinds = {type(part) for part in self._parts.values()}
        if not kinds:
            raise ValueError(
                f"An action space must have a part to act in, but it is {self._inner}: wrap the environment."
            )
        flat: list[Any] = list(self._parts.values())
        self._is_mixed = len(kinds) > 1
        if self._is_mixed:
            flat = [_preferences(part) if isinstance(part, gs.MultiDiscrete) else part for part in flat]
        self._sizes = [math.prod(part.shape or ()) for part in flat]
        if gs.Box in kinds:
            low, high = (np.concatenate([getattr(part, bound) for part in flat]) for bound in ("low", "high"))
            self.action_space = gs.Box(low, high, dtype=low.dtype.type)
        else:
            self.action_space = gs.MultiDiscrete(np.concatenate([part.nvec for part in flat]))

    def action(self, action: np.ndarray) -> Any:
        """Return a member of the environment's own space.

        Args:
            action: of the flat space.
        """
        pieces = np.split(np.asarray(action), np.cumsum(self._sizes)[:-1])
        by_path = dict(zip(self._parts, pieces, strict=True))
        if self._is_mixed:
            by_path = {path: _chosen(self._parts[path], piece) for path, piece in by_path.items()}
        return fold(self._inner, lambda path, leaf: _unflat(leaf, by_path[path]), as_sample)


def is_flat(space: gymnasium.Space[Any]) -> bool:
    """Whether agents act in a space as it is."""
    try:
        action_layout(space)
    except ValueError:
        return False
    return True


def _flat_part(leaf: gs.Space[Any], path: Path) -> gs.Box | gs.MultiDiscrete:
    """A leaf of an action space as a row of choices counted from 0, or of numbers."""
    if isinstance(leaf, gs.Discrete):
        return gs.MultiDiscrete([int(leaf.n)])
    if isinstance(leaf, gs.MultiDiscrete):
        return gs.MultiDiscrete(leaf.nvec.flatten())
    if isinstance(leaf, gs.MultiBinary):
        return gs.MultiDiscrete(np.full(math.prod(leaf.shape), 2))
    if isinstance(leaf, gs.Box) and 0 not in leaf.shape:
        if np.issubdtype(leaf.dtype, np.floating):
            return gs.Box(leaf.low.flatten(), leaf.high.flatten(), dtype=leaf.dtype.type)
        choices = (
            leaf.high.astype(object) - leaf.low.astype(object) + 1
        )  # of any size, in Python's whole numbers
        if leaf.is_bounded("both") and int(np.sum(choices)) <= _MOST_CHOICES:
            return gs.MultiDiscrete(np.asarray(choices, dtype=np.int64).flatten())
        raise ValueError(
            f"A Box of whole numbers must have at most {_MOST_CHOICES:,} values in all to be acted in, but "
            f"{place(path)} of the action space is {leaf}: wrap the environment so that it takes fewer, or numbers."
        )
    raise ValueError(
        "An action space must be Discrete, MultiDiscrete, MultiBinary, Box of one or more numbers, or Dict or Tuple of "
        f"these, but part {place(path)} of it is {leaf}: wrap the environment so that it takes one of these."
    )


def _preferences(part: gs.MultiDiscrete) -> gs.Box:
    """As many numbers as a row of choices has options."""
    return gs.Box(-np.inf, np.inf, (int(part.nvec.sum()),), np.float32)


def _chosen(part: gs.Space[Any], piece: np.ndarray) -> np.ndarray:
    """The options of the largest numbers of a row of choices; of anything else its numbers."""
    if not isinstance(part, gs.MultiDiscrete):
        return piece
    return np.array([numbers.argmax() for numbers in np.split(piece, np.cumsum(part.nvec)[:-1])])


def _unflat(leaf: gs.Space[Any], piece: np.ndarray) -> Any:
    """A row of choices or numbers as a member of the leaf."""
    if isinstance(leaf, gs.Discrete):
        return leaf.dtype.type(int(leaf.start) + int(piece[0]))
    shaped = piece.reshape(leaf.shape or ())
    if isinstance(leaf, gs.MultiDiscrete):
        return (shaped + leaf.start).astype(leaf.dtype)
    if isinstance(leaf, gs.Box) and not np.issubdtype(leaf.dtype, np.floating):
        return (shaped + leaf.low.astype(np.int64)).astype(leaf.dtype)
    return shaped.astype(leaf.dtype)
