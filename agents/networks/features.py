"""From observations and actions of any supported space to flat vectors."""

from __future__ import annotations

import torch
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor

from engram.agents.networks.leaves import Leaf, action_leaf


def one_hot(categories: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """One-hot vectors of one or several categories, side by side.

    Args:
        categories: int64 `[*batch]` if `sizes` has one entry and the leaf is scalar, else `[*batch, len(sizes)]`.
        sizes: number of categories of each component.

    Returns:
        float32 `[*batch, sum(sizes)]`.
    """
    if len(sizes) == 1:
        zeros = categories.new_zeros(*categories.shape, sizes[0], dtype=torch.float32)
        return zeros.scatter_(-1, categories.unsqueeze(-1), 1.0)
    # Where sizes repeat, as those of the cells of a board do, all that are alike are encoded at once.
    period = next(n for n in range(1, len(sizes) + 1) if sizes == sizes[:n] * (len(sizes) // n))
    parts = zip(categories.unflatten(-1, (-1, period)).unbind(-1), sizes, strict=False)
    return torch.cat([one_hot(part, (size,)) for part, size in parts], dim=-1).flatten(-2)


def flatten_leaf(leaf: Leaf, obs: Tensor | TensorDictBase, batch_dims: int) -> Tensor:
    """Read a leaf of kind `categories` or `vector` as a flat float32 vector `[*batch, feature_size]`."""
    value = leaf.read(obs)
    flat_shape = (*value.shape[:batch_dims], -1)
    if leaf.kind != "categories":
        return value.reshape(flat_shape).float()
    if len(leaf.sizes) == 1:
        return one_hot(value.reshape(value.shape[:batch_dims]), leaf.sizes)
    return one_hot(value.reshape(flat_shape), leaf.sizes)


def action_feature_size(space: spaces.Space) -> int:
    """Length of an action as a flat vector (one-hot for discrete components)."""
    return action_leaf(space).feature_size


def action_features(space: spaces.Space, action: Tensor, batch_dims: int) -> Tensor:
    """Read an action as a flat float32 vector `[*batch, action_feature_size(space)]`."""
    return flatten_leaf(action_leaf(space), action, batch_dims)
