"""The one walk over Gymnasium spaces: what they consist of, in which order, and by which name a part is called.

A Dict or Tuple is nested; every other space is a leaf. A path leads to a part by the keys that rows have: those of a
Dict, and `0`, `1`, … of a Tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gymnasium.spaces as gs
import numpy as np
import torch

Path = tuple[str, ...]
T = TypeVar("T")
# The leaves that rows hold, each as one tensor.
NUMERIC = (gs.Box, gs.Discrete, gs.MultiDiscrete, gs.MultiBinary)


class UnreadSpace(gs.Space[Any]):
    """Stands for a space that no agent reads, such as Text: a leaf that was left out of the observation.

    Args:
        name: of the space's class; all that is kept of it. Equal to every space whose class has this name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __eq__(self, other: object) -> bool:
        return class_name(other) == self.name

    def __repr__(self) -> str:
        return f"{self.name}(…)"


def class_name(space: object) -> str:
    """The name of a space's class, also of what stands for it."""
    return space.name if isinstance(space, UnreadSpace) else type(space).__name__


def parts_of(space: gs.Space[Any]) -> dict[str, gs.Space[Any]] | None:
    """The parts of a Dict or Tuple by key, in its order; None for a leaf."""
    if isinstance(space, gs.Dict):
        return {str(key): part for key, part in space.spaces.items()}
    if isinstance(space, gs.Tuple):
        return {str(index): part for index, part in enumerate(space.spaces)}
    return None


def walk(space: gs.Space[Any], path: Path = ()) -> Iterator[tuple[Path, gs.Space[Any]]]:
    """Yield a space and all within it, each nested one before its parts."""
    yield path, space
    for key, part in (parts_of(space) or {}).items():
        yield from walk(part, (*path, key))


def leaves(space: gs.Space[Any]) -> Iterator[tuple[Path, gs.Space[Any]]]:
    """Yield the leaves of a space in its order, whatever their kind."""
    return ((path, part) for path, part in walk(space) if parts_of(part) is None)


def fold(
    space: gs.Space[Any],
    of_leaf: Callable[[Path, gs.Space[Any]], T],
    of_parts: Callable[[Path, gs.Space[Any], dict[str, T]], T],
    path: Path = (),
) -> T:
    """Make something of a space from its leaves upwards.

    Args:
        space: any.
        of_leaf: makes it of a leaf and the path to it.
        of_parts: makes it of a nested space, the path to it, and what was made of its parts by key.
        path: to the space.
    """
    parts = parts_of(space)
    if parts is None:
        return of_leaf(path, space)
    made = {key: fold(part, of_leaf, of_parts, (*path, key)) for key, part in parts.items()}
    return of_parts(path, space, made)


def as_sample(path: Path, space: gs.Space[Any], parts: dict[str, Any]) -> Any:
    """Put values of the parts together as a sample of a nested space is: a dict, or a tuple. For `fold`."""
    return parts if isinstance(space, gs.Dict) else tuple(parts.values())


def place(path: Path) -> str:
    """A path in one word, for options and messages: `camera.left`, and `obs` for the whole observation."""
    return ".".join(path) or "obs"


def is_text(space: gs.Space[Any]) -> bool:
    """Whether members of a space are texts, as those of Text and of MiniGrid's MissionSpace are."""
    return space.dtype is not None and np.dtype(space.dtype).kind == "U"


def options_of(space: gs.Space[Any]) -> tuple[int, ...] | None:
    """How many options each choice of a Discrete or MultiDiscrete space has; None for other spaces."""
    if isinstance(space, gs.Discrete):
        return (int(space.n),)
    return tuple(map(int, space.nvec.flatten())) if isinstance(space, gs.MultiDiscrete) else None


def row_dtype(space: gs.Space[Any]) -> torch.dtype:
    """The dtype in which a row holds a numeric leaf.

    Returns:
        int64 for Discrete and MultiDiscrete, which rows count from 0 whatever their `start`; uint8 for a Box of bytes
        with two or more axes, which is an image; float32 for every other Box and MultiBinary.
    """
    if options_of(space) is not None:
        return torch.int64
    is_image = isinstance(space, gs.Box) and space.dtype == np.uint8 and len(space.shape) >= 2
    return torch.uint8 if is_image else torch.float32


def unsupported(got: object, advice: str = "") -> ValueError:
    """Make the error for an observation space that rows or agents cannot have.

    Args:
        got: the space, or its name.
        advice: what can be done besides wrapping the environment, such as `leave it out, or `.
    """
    if isinstance(got, gs.Space) and is_text(got):
        advice += "make numbers of its words with env.text=hash, or "
    elif isinstance(got, gs.Sequence | gs.Graph):
        advice += "it has no fixed size, so "
    return ValueError(
        "An observation space must be Box, Discrete, MultiDiscrete, MultiBinary, or Dict or Tuple of these, "
        f"but it is {got}: {advice}wrap the environment so that it gives one of these."
    )
