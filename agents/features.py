"""From observations of any supported space to flat vectors and images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor


@dataclass(frozen=True)
class Leaf:
    """One elementary part of an observation.

    Attributes:
        key: path inside the row's `obs`; empty if the observation is not nested.
        space: its Gymnasium space.
    """

    key: tuple[str, ...]
    space: spaces.Space

    @property
    def kind(self) -> str:
        """How the leaf is read: `categories` (one-hot), `image` (convolutions) or `vector`."""
        if isinstance(self.space, spaces.Discrete | spaces.MultiDiscrete):
            return "categories"
        if isinstance(self.space, spaces.Box) and len(self.space.shape) in (2, 3):
            if self.space.dtype == np.uint8 or len(self.space.shape) == 3:
                return "image"
        return "vector"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of categories of each component, for the kind `categories`."""
        if isinstance(self.space, spaces.Discrete):
            return (int(self.space.n),)
        assert isinstance(self.space, spaces.MultiDiscrete)
        return tuple(int(n) for n in self.space.nvec.flatten())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one observation of this leaf."""
        return self.space.shape or ()

    @property
    def feature_size(self) -> int:
        """Length of the leaf as a flat vector."""
        return sum(self.sizes) if self.kind == "categories" else math.prod(self.shape)

    def read(self, obs: Tensor | TensorDictBase) -> Tensor:
        """Pick the leaf out of an observation: `[..., *space.shape]`."""
        return obs.get(self.key) if self.key else obs  # type: ignore[union-attr]


def observation_leaves(space: spaces.Space, key: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """List the elementary spaces of an observation space; Tuple entries have the keys `0`, `1`, ….

    Args:
        space: Discrete, MultiDiscrete, MultiBinary, Box, or a Tuple or Dict of these.
        key: path of `space` inside the whole observation.

    Raises:
        ValueError: for a space that agents cannot read.
    """
    if isinstance(space, spaces.Dict):
        for name, part in space.spaces.items():
            yield from observation_leaves(part, (*key, name))
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space.spaces):
            yield from observation_leaves(part, (*key, str(index)))
    elif isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Box):
        yield Leaf(key, space)
    else:
        raise ValueError(
            "An agent reads Discrete, MultiDiscrete, MultiBinary and Box observations, and Tuple or Dict of these, "
            f"but got {space}; wrap the environment so that its observation space is one of these."
        )


def one_hot(categories: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """One-hot vectors of one or several categories, side by side.

    Args:
        categories: int64 `[*batch]` if `sizes` has one entry and the leaf is scalar, else `[*batch, len(sizes)]`.
        sizes: number of categories of each component.

    Returns:
        float32 `[*batch, sum(sizes)]`.
    """
    if len(sizes) == 1:
        return F.one_hot(categories, sizes[0]).float()
    parts = [F.one_hot(part, n) for part, n in zip(categories.unbind(-1), sizes, strict=True)]
    return torch.cat(parts, dim=-1).float()


def flatten_leaf(leaf: Leaf, value: Tensor, batch_dims: int) -> Tensor:
    """Read a leaf of kind `categories` or `vector` as a flat float32 vector `[*batch, feature_size]`."""
    flat_shape = (*value.shape[:batch_dims], -1)
    if leaf.kind != "categories":
        return value.reshape(flat_shape).float()
    if len(leaf.sizes) == 1:
        return one_hot(value.reshape(value.shape[:batch_dims]), leaf.sizes)
    return one_hot(value.reshape(flat_shape), leaf.sizes)


def action_feature_size(space: spaces.Space) -> int:
    """Length of an action as a flat vector (one-hot for discrete components)."""
    return next(observation_leaves(space)).feature_size


def action_features(space: spaces.Space, action: Tensor, batch_dims: int) -> Tensor:
    """Read an action as a flat float32 vector `[*batch, action_feature_size(space)]`."""
    return flatten_leaf(next(observation_leaves(space)), action, batch_dims)
