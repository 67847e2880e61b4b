"""Linear recurrences with resets: h[t] = a[t] * h[t-1] + b[t], restarted wherever an episode begins."""

import torch
from torch import Tensor


def linear_scan_reference(
    a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None = None
) -> Tensor:
    """Compute all states of a linear recurrence, one row after the other.

    Args:
        a: Transition, constant [D] or one for each row [B, T, D]; real or complex.
        b: Inputs, [B, T, D], of the dtype of `a`.
        is_first: Whether a row begins an episode, [B, T] bool; h[t-1] is then the initial state.
        carry: The state before row 0, [B, D].
        initial: The state an episode begins with, [D]; None is zero.

    Returns:
        The states after every row, [B, T, D].
    """
    start: Tensor | float = 0.0 if initial is None else initial
    transitions = a.unbind(1) if a.dim() == 3 else (a,) * b.shape[1]
    state, states = carry, []
    for a_t, b_t, first_t in zip(transitions, b.unbind(1), is_first.unbind(1), strict=True):
        state = a_t * torch.where(first_t.unsqueeze(-1), start, state) + b_t
        states.append(state)
    return torch.stack(states, dim=1)


def linear_scan(
    a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None = None
) -> Tensor:
    """Compute all states of a linear recurrence; the arguments of `linear_scan_reference`."""
    return linear_scan_reference(a, b, is_first, carry, initial)
