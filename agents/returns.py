"""Advantages and returns on rows: pure functions of tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engram.common.ranks import ALONE, Ranks
from engram.common.zero_where import zero_unless, zero_where


def generalized_advantages(
    value_t: Tensor,
    reward_tp1: Tensor,
    is_last_tp1: Tensor,
    is_terminal_tp1: Tensor,
    value_tp1: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Generalised advantage estimation on the row convention.

    Row t+1 carries the reward that answers the action of row t and says whether it is its episode's
    last observation. A truncated row keeps its own value, so it bootstraps without a special case::

        delta_t = r_{t+1} + gamma (1 - terminal_{t+1}) v_{t+1} - v_t
        A_t     = delta_t + gamma lambda (1 - terminal_{t+1}) (1 - last_{t+1}) A_{t+1}

    Args:
        value_t: value of rows 0 … T-1, `[B, T]`.
        reward_tp1: reward arriving with rows 1 … T, `[B, T]`.
        is_last_tp1: rows 1 … T that end an episode, `[B, T]` bool.
        is_terminal_tp1: rows 1 … T whose state is terminal, `[B, T]` bool.
        value_tp1: value of rows 1 … T, `[B, T]`.
        gamma: discount per step.
        gae_lambda: weight of longer returns, 0 (one step) to 1 (Monte Carlo).

    Returns:
        Advantages `[B, T]`. The entry of an `is_last` row is meaningless (its action is ignored) and
        must be masked by the caller.

    Source: Schulman et al. 2016, eq. 16; boundary handling as in the rows of this project.
    """
    # Selection, not multiplication: the value of a terminal row may be anything, even NaN.
    bootstrap = zero_where(is_terminal_tp1, value_tp1)
    deltas = torch.add(reward_tp1, bootstrap, alpha=gamma).sub_(value_t).unbind(1)
    ends = (is_last_tp1 | is_terminal_tp1).unbind(1)

    advantage = torch.zeros_like(deltas[0])
    advantages = []
    for delta, end in zip(reversed(deltas), reversed(ends), strict=True):
        advantage = torch.add(delta, zero_where(end, advantage), alpha=gamma * gae_lambda)
        advantages.append(advantage)
    advantages.reverse()
    return torch.stack(advantages, dim=1)


def lambda_returns(
    reward_tp1: Tensor,
    discount_tp1: Tensor,
    value_tp1: Tensor,
    is_last_tp1: Tensor | None = None,
    *,
    gae_lambda: float,
) -> Tensor:
    """λ-returns on the row convention: what follows rows 0 … T-1, values closing what is cut off.

    ::

        R_t = r_{t+1} + d_{t+1} ((1 - l_{t+1}) v_{t+1} + l_{t+1} R_{t+1}),   R_T = v_T

    where l is `gae_lambda`, and 0 on rows that end an episode.

    Args:
        reward_tp1: reward arriving with rows 1 … T, `[B, T]`.
        discount_tp1: weight of what follows rows 1 … T, `[B, T]`: γ, or 0 where the state is terminal.
        value_tp1: value of rows 1 … T, `[B, T]`.
        is_last_tp1: rows 1 … T that end an episode, `[B, T]` bool. Default: none.
        gae_lambda: weight of longer returns, 0 (one step) to 1 (Monte Carlo).

    Returns:
        Returns `[B, T]`; gradients pass through all arguments.

    Source: Hafner et al. 2023 (DreamerV3), eq. 6.
    """
    closing = value_tp1
    following = discount_tp1 * gae_lambda
    if is_last_tp1 is None:
        closing = (1 - gae_lambda) * value_tp1
    else:
        following = zero_where(is_last_tp1, following)
        closing = torch.where(is_last_tp1, 1.0, 1 - gae_lambda) * value_tp1
    steps = torch.addcmul(reward_tp1, discount_tp1, closing).unbind(1)
    returned = value_tp1[:, -1]
    returns = []
    for step, weight in zip(reversed(steps), reversed(following.unbind(1)), strict=True):
        returned = torch.addcmul(step, weight, returned)
        returns.append(returned)
    returns.reverse()
    return torch.stack(returns, dim=1)


def masked_mean(x: Tensor, mask: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """Mean of `x` over the rows where `mask` holds: (sum, count), divided once.

    Args:
        x: any shape.
        mask: bool, the same shape.
        ranks: whose rows these are all together; the gradient is this rank's share (`Ranks.means`).

    Returns:
        A scalar; 0 if no row is valid.
    """
    total = zero_unless(mask, x).sum()
    if ranks.is_many:
        return ranks.means(total.unsqueeze(0), mask.sum()).squeeze(0)
    return total / mask.sum().clamp(min=1)


def masked_means(terms: Mapping[str, Tensor], mask: Tensor, ranks: Ranks = ALONE) -> dict[str, Tensor]:
    """`masked_mean` of several terms at once, each of the shape of `mask`: one sum and one count."""
    stacked = zero_unless(mask, torch.stack(list(terms.values())))
    means = ranks.means(stacked.flatten(1).sum(1), mask.sum())
    return dict(zip(terms, means.unbind(), strict=True))


def normalize(x: Tensor, mask: Tensor, epsilon: float = 1e-8, ranks: Ranks = ALONE) -> Tensor:
    """Shift and scale `x` to mean 0 and standard deviation 1 over the valid rows.

    Args:
        x: any shape.
        mask: bool, the same shape; only these rows enter the moments.
        epsilon: added to the standard deviation.
        ranks: whose rows these are all together.

    Returns:
        The normalised tensor, 0 where `mask` is false.
    """
    if ranks.is_many:
        total, mean, squares = (part.to(x.dtype) for part in ranks.moments(x.unsqueeze(-1), mask))
        return zero_unless(mask, x - mean) / ((squares / total.clamp(min=1)).sqrt() + epsilon)
    count = mask.sum().clamp(min=1)
    centred = zero_unless(mask, x - zero_unless(mask, x).sum() / count)
    return centred / ((centred.square().sum() / count).sqrt() + epsilon)
