"""Where an episode begins in a batch whose other episodes go on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engram.common.random import hash_integers
from engram.common.rows import select

Begin = Callable[..., dict[str, Tensor]]


def restarted(task: dict[str, Tensor], where: Tensor, begin: Begin, *keys: Tensor) -> dict[str, Tensor]:
    """Replace a task's tensors where an episode begins.

    On a device, where flags cannot be read, and while compiling, the beginning of all is computed and
    selected from. In host memory only what is needed is, since a beginning can cost as much as an episode.

    Args:
        task: tensors [B, ...].
        where: bool [B].
        begin: makes these tensors of the keys, for any of the environments.
        *keys: what the episodes are drawn from, int64 [B] each.

    Returns:
        Tensors [B, ...]; nothing is modified.
    """
    if where.device.type != "cpu" or torch.compiler.is_compiling():
        fresh = begin(*keys)
        return {key: select(where, fresh[key], value) for key, value in task.items()}
    begun = where.nonzero().squeeze(1)
    if len(begun) == 0:
        return task
    fresh = begin(*(key[begun] for key in keys))
    if len(begun) == len(where):
        return fresh
    return {key: value.index_copy(0, begun, fresh[key]) for key, value in task.items()}


def redrawn(key: Tensor, number: Tensor) -> Tensor:
    """Return what the draws of episode `number` of a trial hash that the first episode's do not share.

    Args:
        key: of the first episode, int64 [B].
        number: of the episode in its trial, int64 [B], from 0.

    Returns:
        int64 [B]; the key itself where the number is 0.
    """
    return torch.where(number == 0, key, hash_integers(key, number))
