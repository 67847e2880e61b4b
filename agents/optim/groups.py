"""What is done to an optimiser's groups of parameters beside moving them: gradients are clipped, rates are set."""

from __future__ import annotations

from typing import Any

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


def scale_rates(optimizer: torch.optim.Optimizer, share: float) -> float:
    """Set every group's learning rate to a share of the one that it began with.

    Args:
        optimizer: its groups keep the latter as their `initial_lr`.
        share: 0 to 1.

    Returns:
        The first group's learning rate.
    """
    for group in optimizer.param_groups:
        _keep_initial_rate(group)
        _set_rate(group, group["initial_lr"] * share)
    return optimizer.param_groups[0]["initial_lr"] * share


def warm_up_share(num_updates: int, warmup_updates: int) -> float:
    """Say which share of a learning rate is in force while it rises linearly to all of it.

    Args:
        num_updates: came before.
        warmup_updates: over which it rises; 0: it does not.
    """
    return min(1.0, (num_updates + 1) / warmup_updates) if warmup_updates else 1.0


def make_capturable(optimizer: torch.optim.Optimizer) -> None:
    """Let the optimiser's steps be recorded as a CUDA graph: rates and counters are tensors, which a step reads there.

    Args:
        optimizer: has not moved anything yet, or is loaded after this.
    """
    for group in optimizer.param_groups:
        _keep_initial_rate(group)
        group["capturable"] = True
        group["lr"] = torch.tensor(group["lr"], dtype=torch.float32, device=group["params"][0].device)


def _keep_initial_rate(group: dict[str, Any]) -> None:
    group.setdefault("initial_lr", group["lr"])


def _set_rate(group: dict[str, Any], rate: float) -> None:
    """Set the learning rate of an optimiser's group; in place, where a recorded step reads it."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
