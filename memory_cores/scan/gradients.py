"""The gradients of a linear scan as differentiable operations: a linear scan backwards in time."""

from collections.abc import Callable

import torch
from torch import Tensor


def linear_scan_gradients(
    scan: Callable[..., Tensor],
    a: Tensor,
    is_first: Tensor,
    carry: Tensor,
    initial: Tensor | None,
    states: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute what the engines' `scan_backward` does; slower, but its gradients are known.

    Args:
        scan: `linear_scan` or its reference.
        a: Transition, [D] or [B, T, D].
        is_first: Whether a row begins an episode, [B, T] bool.
        carry: The state before row 0, [B, D].
        initial: The state an episode begins with, [D]; None is zero.
        states: The states after every row, with the graph they have, [B, T, D].
        grad: The gradient to the states, [B, T, D].

    Returns:
        The gradients to `a`, `b`, `carry` and `initial`.
    """
    resets = is_first.unsqueeze(-1)
    conjugate = a.conj()
    # Backwards in time row t comes after row t + 1, and nothing crosses where that one begins an episode.
    begins = torch.cat([torch.ones_like(is_first[:, :1]), is_first[:, 1:].flip(1)], dim=1)
    back = conjugate
    if a.dim() == 3:
        later = torch.where(resets, 0.0, conjugate)[:, 1:].flip(1)
        back = torch.cat([torch.zeros_like(conjugate[:, :1]), later], dim=1)
    grad_b = scan(back, grad.flip(1), begins, torch.zeros_like(carry), None).flip(1)
    before = torch.cat([carry.unsqueeze(1), states[:, :-1]], dim=1)
    before = torch.where(resets, 0.0 if initial is None else initial, before)
    grad_a = grad_b * before.conj()
    grad_before = torch.where(resets, grad_b, 0.0) * conjugate
    grad_carry = torch.where(is_first[:, :1], 0.0, grad_b[:, 0]) * (
        conjugate[:, 0] if a.dim() == 3 else conjugate
    )
    return grad_a if a.dim() == 3 else grad_a.sum((0, 1)), grad_b, grad_carry, grad_before.sum((0, 1))
