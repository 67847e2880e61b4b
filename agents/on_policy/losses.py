"""Terms of the losses of on-policy agents: pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from engram.agents.returns import masked_mean
from engram.common.ranks import ALONE, Ranks


def clipped_policy_loss(ratio: Tensor, advantage: Tensor, clip_range: float) -> Tensor:
    """PPO's clipped surrogate, to be minimised.

    Args:
        ratio: of the taken actions' probabilities under the current policy to those under the one that acted, `[B, T]`.
        advantage: `[B, T]`.
        clip_range: the ratio earns nothing outside 1 ± `clip_range`.

    Returns:
        Of every row, `[B, T]`.

    Source: Schulman et al. 2017, eq. 7.
    """
    gain = ratio * advantage
    bound = ratio.detach().clamp(1 - clip_range, 1 + clip_range) * advantage
    # The smaller one; where both are equal the ratio is not clipped, and the gradient of `minimum` would be halved.
    return -torch.where(gain <= bound, gain, bound)


def value_loss(value: Tensor, old_value: Tensor, target: Tensor, clip_range: float | None) -> Tensor:
    """Half the squared error of the value, optionally with the change of the value clipped.

    Args:
        value: current prediction `[B, T]`.
        old_value: prediction when acting `[B, T]`.
        target: return to predict `[B, T]`.
        clip_range: the larger of the errors of `value` and of `old_value` ± `clip_range` counts; None is off.

    Returns:
        Of every row, `[B, T]`.
    """
    error = mse_loss(value, target, reduction="none")
    if clip_range is not None:
        clipped = old_value + (value - old_value).clamp(-clip_range, clip_range)
        error = torch.maximum(error, (clipped - target).square())
    return 0.5 * error


def approximate_kl(log_ratio: Tensor, ratio: Tensor) -> Tensor:
    """Sample estimate of KL(old ‖ new) of every row: (ratio − 1) − log ratio, never negative.

    Source: Schulman 2020, "Approximating KL divergence", estimator k3.
    """
    return ratio - 1 - log_ratio


def is_clipped(ratio: Tensor, clip_range: float) -> Tensor:
    """1 in rows whose ratio lies outside 1 ± `clip_range`, else 0."""
    return ((ratio - 1).abs() > clip_range).float()


def explained_variance(value: Tensor, target: Tensor, mask: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """1 − Var(target − value) / Var(target) over valid rows: 1 is perfect, 0 no better than a constant."""
    residual, mean = target - value, masked_mean(target, mask, ranks)
    residual_variance = masked_mean((residual - masked_mean(residual, mask, ranks)).square(), mask, ranks)
    return 1 - residual_variance / (masked_mean((target - mean).square(), mask, ranks) + 1e-8)
