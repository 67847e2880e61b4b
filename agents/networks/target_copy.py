"""Target networks: copies that follow what is learnt, and are not learnt themselves."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def target_copy(network: Network) -> Network:
    """Copy a network for targets; its parameters take no gradient, so that they count as none."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, network: nn.Module, rate: float) -> None:
    """Move a target network towards the one that it is a copy of, in place.

    Args:
        target: from `target_copy`.
        network: what it follows.
        rate: share of the way that every parameter goes; 1 is a copy. Buffers that are saved, such as running
            statistics, are copied; others are constants.
    """
    torch._foreach_lerp_(tuple(target.parameters()), tuple(network.parameters()), rate)
    kept, present = target.state_dict(), network.state_dict()
    for name, _ in target.named_buffers():
        if name in kept:
            kept[name].copy_(present[name])
