"""From observations, as environments give them, to what rows hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from tensordict import TensorDict
from torch import Tensor

from engram.common.spaces import NUMERIC, Path, options_of, place, row_dtype, unsupported
from engram.common.spaces import leaves as space_leaves

_NUMPY = {torch.int64: np.int64, torch.float32: np.float32, torch.uint8: np.uint8}


class ObservationReader:
    """Reads observations of a space, one or a batch of them: arrays, numbers and lists, in dicts and tuples.

    A batch is what Gymnasium's vectors give: a dict or tuple like the space, of arrays `[B, ...]`. A Tuple may come as
    a mapping from `0`, `1`, …, too, as stable-baselines3 has it. Parts that no row holds, such as Text, are not read.

    Args:
        space: of one observation.
        device: of what is read.

    Attributes:
        paths: of the parts that rows hold.

    Raises:
        ValueError: if no row can hold any part of the space.
    """

    def __init__(self, space: spaces.Space[Any], device: torch.device) -> None:
        self._leaves = [
            _Leaf(path, leaf, _picker(space, path))
            for path, leaf in space_leaves(space)
            if isinstance(leaf, NUMERIC)
        ]
        if not self._leaves:
            raise unsupported(space)
        self.paths = [leaf.path for leaf in self._leaves]
        self._device = device

    def __call__(self, observation: Any) -> tuple[list[Tensor], int | None]:
        """Read an observation or a batch of them.

        Returns:
            Its parts as a row holds them, `[B, ...]`, copied, in the order of `paths`, and the batch size B; None if it
            was a single observation, B = 1.

        Raises:
            ValueError: if a part is missing, or is of another shape or kind than its space, or outside of it.
        """
        parts = [leaf.read(observation) for leaf in self._leaves]
        size = parts[0][1]
        if any(other != size for _, other in parts):
            given = ", ".join(
                f"{place(leaf.path)} {other or 'no'}"
                for leaf, (_, other) in zip(self._leaves, parts, strict=True)
            )
            raise ValueError(
                f"All parts of an observation must be of one batch, but their batch sizes are: {given}; give all of "
                "them with one and the same first axis, or none."
            )
        return [self._tensor(array) for array, _ in parts], size

    def _tensor(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor if self._device.type == "cpu" else tensor.to(self._device)


class _Leaf:
    """Reads one part of an observation."""

    def __init__(self, path: Path, space: spaces.Space[Any], pick: Callable[[Any], Any]) -> None:
        self.path, self._pick, self._space = path, pick, space
        self._shape = space.shape or ()
        self._dtype = _NUMPY[row_dtype(space)]
        self._options = options_of(space)
        self._start: Any = getattr(space, "start", 0)
        self._starts_elsewhere = bool(np.any(self._start))
        self._count: Any = getattr(space, "nvec", None) if self._shape else getattr(space, "n", None)

    def read(self, observation: Any) -> tuple[np.ndarray, int | None]:
        """Return the numbers `[B, *shape]`, and B; None of a single observation, B = 1."""
        given = self._array(self._pick(observation))
        size = None if given.shape == self._shape else len(given)
        # A copy, which nobody writes to, in the dtype of rows.
        numbers = np.array(given, dtype=self._dtype).reshape(size or 1, *self._shape)
        if self._options is not None:
            if self._starts_elsewhere:
                numbers -= np.asarray(self._start, dtype=np.int64)
            is_right = (numbers >= 0) & (numbers < self._count)
            if not is_right.all():
                raise self._refused(f"in {self._space}", numbers[~is_right][0] + np.max(self._start))
        elif self._dtype is np.float32 and not (is_right := np.isfinite(numbers)).all():
            raise self._refused("finite numbers", numbers[~is_right][0])
        return numbers, size

    def _array(self, value: Any) -> np.ndarray:
        """Return what was given as an array of the space's shape, with or without a batch before it, and kind."""
        if isinstance(value, Tensor):
            value = value.detach().cpu()
        try:
            array = np.asarray(value)
        except ValueError:  # parts of different lengths
            array = np.asarray(None)
        is_one = array.shape == self._shape
        is_batch = array.ndim == len(self._shape) + 1 and array.shape[1:] == self._shape and len(array) > 0
        if not (is_one or is_batch) or array.dtype.kind not in self._kinds():
            got = value if array.dtype == object else f"{array.dtype} of shape {list(array.shape)}"
            kind = "numbers" if "f" in self._kinds() else "whole numbers"
            raise self._refused(f"{kind} of shape {self._shapes()}", got)
        return array

    def _kinds(self) -> str:
        """The kinds of numbers, as numpy calls them, that can stand for the space's."""
        return "biuf" if self._dtype is np.float32 else "biu"

    def _shapes(self) -> str:
        """The shapes that are read."""
        return f"{list(self._shape)} or {['B', *self._shape]}".replace("'", "")

    def _refused(self, rule: str, got: Any) -> ValueError:
        name = f"The part {place(self.path)} of an observation" if self.path else "An observation"
        return ValueError(f"{name} must be {rule}, but got {got}; give it as the environment does.")


def _picker(space: spaces.Space[Any], path: Path) -> Callable[[Any], Any]:
    """Build what follows a path from an observation to one of its parts."""
    steps: list[tuple[str, bool]] = []
    for key in path:
        is_tuple = isinstance(space, spaces.Tuple)
        steps.append((key, is_tuple))
        space = space.spaces[int(key)] if is_tuple else space.spaces[key]  # type: ignore[attr-defined]

    def pick(observation: Any) -> Any:
        for depth, (key, is_tuple) in enumerate(steps):
            is_mapping = isinstance(observation, (Mapping, TensorDict))
            try:
                observation = observation[int(key)] if is_tuple and not is_mapping else observation[key]
            except (KeyError, IndexError, TypeError):
                kind = "tuple" if is_tuple else "dict"
                raise ValueError(
                    f"An observation must be a {kind} with the part {place(path[: depth + 1])}, but got "
                    f"{_described(observation)}; give it as the environment does."
                ) from None
        return observation

    return pick


def _described(value: Any) -> str:
    """What a value is, with the names or number of its parts."""
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with {', '.join(map(repr, value)) or 'nothing'}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {value!r}"
