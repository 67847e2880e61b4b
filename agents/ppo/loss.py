"""The terms of PPO's loss as pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.agents.returns import masked_mean


def clipped_policy_loss(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, mask: Tensor, clip_range: float
) -> Tensor:
    """PPO's clipped surrogate, to be minimised.

    Args:
        log_prob: of the taken actions under the current policy, `[B, T]`.
        old_log_prob: under the policy that acted, `[B, T]`.
        advantage: `[B, T]`.
        mask: rows whose action counted, `[B, T]` bool.
        clip_range: the ratio earns nothing outside 1 ± `clip_range`.

    Returns:
        A scalar.

    Source: Schulman et al. 2017, eq. 7.
    """
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -masked_mean(torch.minimum(ratio * advantage, clipped * advantage), mask)


def value_loss(
    value: Tensor, old_value: Tensor, target: Tensor, mask: Tensor, clip_range: float | None
) -> Tensor:
    """Half the squared error of the value, optionally with the change of the value clipped.

    Args:
        value: current prediction `[B, T]`.
        old_value: prediction when acting `[B, T]`.
        target: return to predict `[B, T]`.
        mask: rows whose action counted, `[B, T]` bool.
        clip_range: the larger of the errors of `value` and of `old_value` ± `clip_range` counts; None is off.

    Returns:
        A scalar.
    """
    error = (value - target).square()
    if clip_range is not None:
        clipped = old_value + (value - old_value).clamp(-clip_range, clip_range)
        error = torch.maximum(error, (clipped - target).square())
    return 0.5 * masked_mean(error, mask)


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor, mask: Tensor) -> Tensor:
    """Sample estimate of KL(old ‖ new): mean of (ratio − 1) − log ratio, never negative.

    Source: Schulman 2020, "Approximating KL divergence", estimator k3.
    """
    log_ratio = log_prob - old_log_prob
    return masked_mean(log_ratio.exp() - 1 - log_ratio, mask)


def clip_fraction(log_prob: Tensor, old_log_prob: Tensor, mask: Tensor, clip_range: float) -> Tensor:
    """Fraction of valid rows whose ratio lies outside 1 ± `clip_range`."""
    outside = ((log_prob - old_log_prob).exp() - 1).abs() > clip_range
    return masked_mean(outside.float(), mask)


def explained_variance(value: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 − Var(target − value) / Var(target) over valid rows: 1 is perfect, 0 no better than a constant."""
    residual, mean = target - value, masked_mean(target, mask)
    residual_variance = masked_mean((residual - masked_mean(residual, mask)).square(), mask)
    return 1 - residual_variance / (masked_mean((target - mean).square(), mask) + 1e-8)
