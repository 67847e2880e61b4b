"""V-trace: values and advantages of a policy from rows that an earlier one chose."""

from typing import NamedTuple

import torch
from torch import Tensor


class VTrace(NamedTuple):
    """What V-trace teaches; entries of rows whose action is ignored are meaningless and masked by the caller.

    Attributes:
        value_target: vs, `[B, T]`.
        advantage: Of the actions, weighted by their clipped ratios, `[B, T]`.
    """

    value_target: Tensor
    advantage: Tensor


def vtrace(
    value_t: Tensor,
    reward_tp1: Tensor,
    is_last_tp1: Tensor,
    is_terminal_tp1: Tensor,
    value_tp1: Tensor,
    ratio_t: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
    policy_rho_bar: float = 1.0,
) -> VTrace:
    """Correct returns for a policy that has moved on since the rows were made.

    ::

        delta_t      = min(rho_bar, ratio_t) (r_{t+1} + gamma (1 - terminal_{t+1}) v_{t+1} - v_t)
        vs_t - v_t   = delta_t + gamma lambda min(c_bar, ratio_t) (vs_{t+1} - v_{t+1}), the last term 0 behind an end
        advantage_t  = min(policy_rho_bar, ratio_t) (r_{t+1} + gamma vs_{t+1} - v_t)

    where the vs of a truncated row, and of row T, is its value, and that of a terminal row 0. With ratios of 1 and
    lambda 1 the advantage is that of GAE with lambda 1.

    Args:
        value_t: The learner's values of rows 0 … T-1, `[B, T]`.
        reward_tp1: Reward arriving with rows 1 … T, `[B, T]`.
        is_last_tp1: Rows 1 … T that end an episode, `[B, T]` bool.
        is_terminal_tp1: Rows 1 … T whose state is terminal, `[B, T]` bool.
        value_tp1: The learner's values of rows 1 … T, `[B, T]`.
        ratio_t: Probability of row t's action, the learner's over the actor's; of all its parts together, `[B, T]`.
        gamma: Discount per step.
        gae_lambda: Weight of longer returns, 0 to 1. Default: 1.
        rho_bar: Bound of the ratio on a step, which says whose values are found. Default: 1.
        c_bar: Bound of the ratio along a trace. Default: 1.
        policy_rho_bar: Bound of the ratio in the advantage. Default: 1.

    Source: Espeholt et al., "IMPALA: scalable distributed deep-RL with importance weighted actor-learner
    architectures", 2018, section 4, equation 1 and remark 2.
    """
    # Selection, not multiplication: the value of a terminal row may be anything, even NaN.
    bootstrap = torch.where(is_terminal_tp1, 0.0, value_tp1)
    deltas = (ratio_t.clamp(max=rho_bar) * (reward_tp1 + gamma * bootstrap - value_t)).unbind(1)
    traces = (gamma * gae_lambda * ratio_t.clamp(max=c_bar)).unbind(1)
    ends = (is_last_tp1 | is_terminal_tp1).unbind(1)
    correction = torch.zeros_like(deltas[0])
    corrections = []
    for delta, trace, end in zip(reversed(deltas), reversed(traces), reversed(ends), strict=True):
        correction = torch.addcmul(delta, trace, torch.where(end, 0.0, correction))
        corrections.append(correction)
    corrections.reverse()
    value_target = value_t + torch.stack(corrections, dim=1)
    following = torch.cat([value_target[:, 1:], value_tp1[:, -1:]], dim=1)
    following = torch.where(is_last_tp1, bootstrap, torch.where(is_terminal_tp1, 0.0, following))
    advantage = ratio_t.clamp(max=policy_rho_bar) * (reward_tp1 + gamma * following - value_t)
    return VTrace(value_target, advantage)
