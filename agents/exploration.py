"""How agents that learn values try other actions than the best one."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.agents.networks.q_network import allowed_values


def epsilon_greedy(values: Tensor, mask: Tensor | None, epsilon: Tensor | float, uniform: Tensor) -> Tensor:
    """Take the best action, or, with probability ε, any of those that are allowed.

    Args:
        values: of all actions, `[B, n]`.
        mask: of what is allowed, `[B, n]` bool; None is all.
        epsilon: ε, `[]` or `[B]`.
        uniform: two numbers in (0, 1) for every environment, `[B, 2]`.

    Returns:
        Actions `[B]` int64.
    """
    best = allowed_values(values, mask).argmax(-1)
    if mask is None:
        other = (uniform[:, 1] * values.shape[-1]).long().clamp(max=values.shape[-1] - 1)
    else:
        # The k-th of those that are allowed, counted from 0.
        count = mask.sum(-1)
        k = torch.minimum((uniform[:, 1] * count).long(), count - 1)
        other = (mask.cumsum(-1) > k.unsqueeze(-1)).byte().argmax(-1)
    return torch.where(uniform[:, 0] < epsilon, other, best)


def annealed(start: float, end: float, progress: float, fraction: float) -> float:
    """Return ε at `progress` of the budget: from `start` to `end` in a line over `fraction` of it."""
    share = min(1.0, progress / fraction) if fraction else 1.0
    return end + (1 - share) * (start - end)


def epsilons(index: Tensor, total: int, epsilon: float, alpha: float) -> Tensor:
    """Return ε of every environment, so that some explore and some do what they have learnt.

    Args:
        index: of the environments among all, `[B]` int64.
        total: how many there are in all, N.
        epsilon: of the first one.
        alpha: environment i has `epsilon` to the power of 1 + `alpha` i / (N − 1).

    Returns:
        `[B]` float32.

    Source: Horgan et al., "Distributed prioritized experience replay", 2018, section 4.1.
    """
    return epsilon ** (1 + alpha * index.float() / max(1, total - 1))
