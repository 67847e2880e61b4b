"""What is done to an optimiser's groups of parameters beside moving them: clipped gradients, and rates that warm up."""

from __future__ import annotations

import torch
from torch import Tensor


def clip_groups(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Clip gradients by their norm, over all groups of one `clip_name` together.

    Args:
        optimizer: its groups have a `clip_name` and a `max_norm`; with None nothing is clipped.

    Returns:
        `optim/<clip_name>_gradient_norm` of each, before it.
    """
    parameters: dict[str, list[Tensor]] = {}
    limits: dict[str, float | None] = {}
    for group in optimizer.param_groups:
        parameters.setdefault(group["clip_name"], []).extend(group["params"])
        limits[group["clip_name"]] = group["max_norm"]
    return {
        f"optim/{name}_gradient_norm": torch.nn.utils.clip_grad_norm_(own, limits[name] or float("inf"))
        for name, own in parameters.items()
    }


def warm_up(optimizer: torch.optim.Optimizer, num_updates: int, warmup_updates: int) -> None:
    """Set every group's learning rate to its share of `initial_lr`, which rises linearly to all of it.

    Args:
        optimizer: its groups have an `initial_lr`.
        num_updates: came before.
        warmup_updates: over which it rises; 0: it does not.
    """
    share = min(1.0, (num_updates + 1) / warmup_updates) if warmup_updates else 1.0
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * share
