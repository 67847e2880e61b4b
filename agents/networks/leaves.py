"""Which parts an observation has, and how each is read: one rule for every agent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor

from engram.agents.networks.image_layout import LAYOUTS, ImageLayout, LayoutName, find_layout
from engram.agents.networks.pixel_scale import PixelScale
from engram.common.nested import dotted
from engram.common.spaces import NUMERIC, Path, UnreadSpace, is_text, options_of, place, unsupported
from engram.common.spaces import leaves as space_leaves

READINGS = ("auto", "vector", "image", "none", *LAYOUTS)
# A picture has at least so many pixels along its longer and its shorter side (the smallest in use have 28). What is
# smaller is a board, a map or a field of symbols, such as MiniGrid's 7 x 7 x 3, whose numbers are no shades.
_SMALLEST_SIDES = (16, 12)


@dataclass(frozen=True)
class Leaf:
    """One elementary part of an observation, or of an action.

    Attributes:
        key: path inside the row's `obs`; empty if the observation is not nested.
        space: its Gymnasium space.
        kind: how it is read: `categories` (one-hot), `image` (convolutions) or `vector`.
        layout: of an image.
    """

    key: Path
    space: spaces.Space
    kind: str
    layout: ImageLayout | None = None

    @property
    def name(self) -> str:
        """The key in one word, `obs` where there is none."""
        return place(self.key)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of categories of each component, for the kind `categories`."""
        sizes = options_of(self.space)
        assert sizes is not None
        return sizes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one observation of this leaf."""
        return self.space.shape or ()

    @property
    def feature_size(self) -> int:
        """Length of the leaf as a flat vector."""
        return sum(self.sizes) if self.kind == "categories" else math.prod(self.shape)

    @property
    def pixel_scale(self) -> PixelScale:
        """What brings an image between 0 and 1: the bounds of its space."""
        return PixelScale.of(self.space)

    def read(self, obs: Tensor | TensorDictBase) -> Tensor:
        """Pick the leaf out of an observation: `[..., *space.shape]`."""
        return obs.get(self.key) if self.key else obs  # type: ignore[union-attr]


def observation_leaves(
    space: spaces.Space, image_layout: LayoutName = "auto", leaves: Mapping[str, Any] | None = None
) -> list[Leaf]:
    """List the parts of an observation that are read, in the order of the space, and how.

    Discrete and MultiDiscrete are categories. A Box of three or four axes, or of two if it holds uint8 or uint16, is an
    image if one of its axes has at least 16 and another at least 12 pixels. Every other Box, and MultiBinary, is a
    vector.
    Texts beside other parts are left out, as rows do not hold them; so is what an agent that was stored had left out.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary, Box, or a Tuple or Dict of these, and of texts.
        image_layout: of all images, see `engram.agents.networks.image_layout.find_layout`.
        leaves: how to read parts instead, by their key (a nested mapping, or names joined by dots; Tuple entries are
            `0`, `1`, …; `obs` is an observation that is not nested): `vector` (its numbers as they are), `image`, one
            of the layouts (an image of that layout), `none` (left out, whatever its space) or `auto`. A key of a Tuple
            or Dict means all parts of it.

    Raises:
        ValueError: for a space that agents cannot read, an image whose layout could be mistaken, a key that the
            observation does not have, or if nothing is left to be read.
    """
    given = dotted(leaves or {})
    parts = list(space_leaves(space))
    names = [place(key) for key, _ in parts]
    for name, reading in given.items():
        if not any(_covers(name, leaf) for leaf in names):
            raise ValueError(
                f"leaves must name parts of the observation, expected any of {', '.join(names)}, but got {name!r}; "
                "leave it out or correct it."
            )
        if reading not in READINGS:
            raise ValueError(
                f"A part of the observation is read as one of {', '.join(READINGS)}, but got "
                f"leaves.{name}={reading!r}; choose one of these."
            )
    found = []
    for (key, part), name in zip(parts, names, strict=True):
        longest = max((other for other in given if _covers(other, name)), key=len, default=None)
        reading = "auto" if longest is None else given[longest]
        if reading != "none" and not (reading == "auto" and _is_left_out(key, part)):
            found.append(_read_as(key, name, part, reading, image_layout))
    if not parts:
        raise ValueError(
            f"An agent must read a part of the observation, but {space} has none; wrap the environment."
        )
    if not found and all(_is_left_out(key, part) for key, part in parts):
        raise unsupported(parts[0][1])
    if not found:
        raise ValueError("An agent must read a part of the observation, but leaves leaves out all; keep one.")
    return found


def action_leaf(space: spaces.Space) -> Leaf:
    """Read an action: categories, or the numbers of a Box."""
    return Leaf((), space, _flat_kind(space))


def _is_left_out(key: Path, space: spaces.Space) -> bool:
    """Whether a part is left out unasked: a text beside other parts, or what a stored agent did without."""
    return bool(key) and (is_text(space) or isinstance(space, UnreadSpace))


def _covers(name: str, leaf: str) -> bool:
    return leaf == name or leaf.startswith(f"{name}.")


def _read_as(key: Path, name: str, space: spaces.Space, reading: str, layout: LayoutName) -> Leaf:
    """Make the leaf that is read in this way."""
    if not isinstance(space, NUMERIC):
        where, advice = (f" under {name}", f"leave it out with leaves.{name}=none, or ") if key else ("", "")
        raise unsupported(f"{type(space).__name__}{where}", advice)
    if 0 in (space.shape or ()):
        advice = (
            f"leave it out with leaves.{name}=none"
            if key
            else "wrap the environment so that there is something"
        )
        raise ValueError(f"An agent reads one number or more of {name!r}, but got {space}; {advice}.")
    if reading == "vector":
        return Leaf(key, space, "vector")
    if reading == "auto" and not _looks_like_image(space):
        return Leaf(key, space, _flat_kind(space))
    wanted: Any = reading if reading in LAYOUTS else layout
    return Leaf(key, space, "image", find_layout(space.shape or (), wanted, name))


def _flat_kind(space: spaces.Space) -> str:
    return "vector" if options_of(space) is None else "categories"


def _looks_like_image(space: spaces.Space) -> bool:
    if not isinstance(space, spaces.Box) or len(space.shape) not in (2, 3, 4):
        return False
    if len(space.shape) == 2 and space.dtype not in (np.uint8, np.uint16):
        return False
    longer, shorter = sorted(space.shape)[:-3:-1]
    return longer >= _SMALLEST_SIDES[0] and shorter >= _SMALLEST_SIDES[1]
