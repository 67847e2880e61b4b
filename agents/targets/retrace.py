"""Retrace: returns of state-action values from rows that another policy chose."""

import torch
from torch import Tensor


def retrace_returns(
    value_t: Tensor,
    reward_tp1: Tensor,
    is_last_tp1: Tensor,
    is_terminal_tp1: Tensor,
    expected_value_tp1: Tensor,
    ratio_tp1: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Follow a trace as long as the actions are those the policy would have chosen.

    ::

        Q_t = q_t + delta_t + gamma c_{t+1} (Q_{t+1} - q_{t+1}),   c = lambda min(1, ratio)
        delta_t = r_{t+1} + gamma (1 - terminal_{t+1}) E_pi q_{t+1} - q_t

    without a trace behind an end and from the last row known.

    Args:
        value_t: q of the actions of rows 0 … T-1, `[B, T]`.
        reward_tp1: Reward arriving with rows 1 … T, `[B, T]`.
        is_last_tp1: Rows 1 … T behind which nothing of the episode is known, `[B, T]` bool.
        is_terminal_tp1: Rows 1 … T whose state is terminal, `[B, T]` bool.
        expected_value_tp1: The policy's mean of q on rows 1 … T, `[B, T]`; of terminal ones anything.
        ratio_tp1: Probability of the actions of rows 1 … T, the policy's over that which chose, `[B, T]`; row T's
            is not read.
        gamma: Discount per step.
        gae_lambda: λ, 0 to 1.

    Returns:
        Returns of rows 0 … T-1, `[B, T]`.

    Source: Munos et al., "Safe and efficient off-policy reinforcement learning", 2016, equations 3 and 4.
    """
    bootstrap = torch.where(is_terminal_tp1, 0.0, expected_value_tp1)
    deltas = (reward_tp1 + gamma * bootstrap - value_t).unbind(1)
    traces = (gamma * gae_lambda * ratio_tp1.clamp(max=1)).unbind(1)
    ends = (is_last_tp1 | is_terminal_tp1).unbind(1)
    correction = deltas[-1]
    corrections = [correction]
    for delta, trace, end in zip(*(reversed(rows[:-1]) for rows in (deltas, traces, ends)), strict=True):
        correction = torch.addcmul(delta, trace, torch.where(end, 0.0, correction))
        corrections.append(correction)
    corrections.reverse()
    return value_t + torch.stack(corrections, dim=1)
