"""Returns of a fixed number of steps."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def n_step_returns(
    reward_tp1: Tensor,
    is_last_tp1: Tensor,
    is_terminal_tp1: Tensor,
    bootstrap_tp1: Tensor,
    *,
    gamma: float,
    num_steps: int,
) -> Tensor:
    """Sum up to `num_steps` rewards and close with a value: fewer at an episode's end and at the last row known.

    ::

        G_t = sum_{i=1..m} gamma^{i-1} r_{t+i} + gamma^m (1 - terminal_{t+m}) bootstrap_{t+m}

    with m the smallest of `num_steps`, the first i whose row t+i ends an episode, and T - t.

    Args:
        reward_tp1: Reward arriving with rows 1 … T, `[B, T]`.
        is_last_tp1: Rows 1 … T behind which nothing of the episode is known, `[B, T]` bool.
        is_terminal_tp1: Rows 1 … T whose state is terminal, `[B, T]` bool.
        bootstrap_tp1: Value of rows 1 … T, `[B, T]`; of terminal ones anything.
        gamma: Discount per step.
        num_steps: n, 1 or more.

    Returns:
        Returns of rows 0 … T-1, `[B, T]`.

    Source: Sutton and Barto, "Reinforcement learning: an introduction", 2018, section 7.1.
    """
    length = reward_tp1.shape[1]
    closing = torch.where(is_terminal_tp1, 0.0, bootstrap_tp1)
    ends = is_last_tp1 | is_terminal_tp1
    ends = torch.cat([ends[:, :-1], torch.ones_like(ends[:, -1:])], dim=1)
    returns, goes_on = torch.zeros_like(reward_tp1), torch.ones_like(ends)
    for i in range(min(num_steps, length)):
        reward, value, is_end = (pad(part[:, i:], (0, i)) for part in (reward_tp1, closing, ends))
        is_end = is_end | (i == num_steps - 1)
        step = gamma**i * torch.where(is_end, torch.add(reward, value, alpha=gamma), reward)
        returns = returns + torch.where(goes_on, step, 0.0)
        goes_on = goes_on & ~is_end
    return returns
