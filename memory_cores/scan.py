"""Linear recurrences with resets: h[t] = a[t] * h[t-1] + b[t], restarted wherever an episode begins."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memory_cores.tracing import is_traced


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
    """Compute all states of a linear recurrence; arguments and result are `linear_scan_reference`'s.

    A loop that writes into one result and allocates nothing per row, with its reverse written by hand:
    on a CPU it beats scans that are parallel in time, which move more memory. While compiling, and inside
    the transforms of `torch.func` (vmap, grad, …), the reference runs.
    """
    if is_traced():
        return linear_scan_reference(a, b, is_first, carry, initial)
    if not a.dtype == b.dtype == carry.dtype:
        raise ValueError(
            f"a, b and carry must have the same dtype, got {a.dtype}, {b.dtype} and {carry.dtype}; "
            "convert them to the carry's."
        )
    start = b.new_zeros(b.shape[-1]) if initial is None else initial
    return _LinearScan.apply(a, b, is_first, carry, start)


class _LinearScan(torch.autograd.Function):
    """The loop over rows, forwards for the states and backwards for the gradients."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor) -> Tensor:
        states = torch.empty_like(b)
        resets = _resets_by_row(is_first)
        state, selected = carry, torch.empty_like(carry)
        rows = zip(_rows(a, b.shape[1]), b.unbind(1), resets, states.unbind(1), strict=True)
        for a_t, b_t, reset, out in rows:
            if reset is not None:
                state = _overwrite(selected.copy_(state), reset, initial)
            state = torch.addcmul(b_t, a_t, state, out=out)
        ctx.save_for_backward(a, carry, initial, states)
        ctx.resets = resets
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        """Run g[t] = grad[t] + conj(a[t+1]) g[t+1], where nothing crosses a reset.

        The loop holds conj(g), for which g's recurrence and products need no conjugate of a row: that
        would allocate at every row, while whole sequences are conjugated once at both ends.
        """
        a, carry, initial, states = ctx.saved_tensors
        is_complex, length = states.is_complex(), states.shape[1]
        grads = torch.conj_physical(grad_states) if is_complex else torch.empty_like(states)
        sources = (grads if is_complex else grad_states).unbind(1)
        grad_a = torch.empty_like(states) if a.dim() == 3 else torch.zeros_like(carry)
        grad_initial, zero = torch.zeros_like(initial), carry.new_zeros(())
        product, selected = torch.zeros_like(carry), torch.empty_like(carry)
        rows_a, rows_g, rows_grad_a = _rows(a, length), grads.unbind(1), _rows(grad_a, length)
        previous = (carry, *states.unbind(1)[:-1])
        rows_g[-1].copy_(sources[-1])
        for t in reversed(range(length)):
            g, reset, before = rows_g[t], ctx.resets[t], previous[t]
            if reset is not None:
                before = _overwrite(selected.copy_(before), reset, initial)
            if a.dim() == 3:
                torch.mul(g, before, out=rows_grad_a[t])
            else:
                grad_a.addcmul_(g, before)
            if reset is None and t > 0:
                torch.addcmul(sources[t - 1], rows_a[t], g, out=rows_g[t - 1])
                continue
            torch.mul(rows_a[t], g, out=product)  # the gradient to what row t began from
            if reset is not None:
                if ctx.needs_input_grad[4]:
                    grad_initial += _sum_selected(product, reset)
                _overwrite(product, reset, zero)
            if t > 0:
                torch.add(sources[t - 1], product, out=rows_g[t - 1])
        grad_a = grad_a if a.dim() == 3 else grad_a.sum(0)
        outputs = (grad_a, grads, product, grad_initial)
        grad_a, grad_b, grad_carry, grad_initial = (grad.conj_physical_() for grad in outputs)
        return grad_a, grad_b, None, grad_carry, grad_initial


def _rows(a: Tensor, length: int) -> tuple[Tensor, ...]:
    return a.unbind(1) if a.dim() == 3 else (a,) * length


def _resets_by_row(is_first: Tensor) -> list[Tensor | None]:
    """List what is reset before each row: indices [n], None for nothing, or on a device a mask [B, 1]."""
    if is_first.device.type != "cpu":  # to read a device tensor here would be to wait for the device
        return list(is_first.unsqueeze(-1).unbind(1))
    environments = is_first.mT.nonzero()[:, 1].split(is_first.sum(0).tolist())
    return [index if len(index) else None for index in environments]


def _overwrite(target: Tensor, reset: Tensor, value: Tensor) -> Tensor:
    """Write `value`, [D] or a scalar, into the rows of `target`, [B, D], which are reset."""
    if reset.dtype == torch.bool:
        return torch.where(reset, value, target, out=target)
    return target.index_copy_(0, reset, value.expand(len(reset), target.shape[1]))


def _sum_selected(values: Tensor, reset: Tensor) -> Tensor:
    """Sum the rows of `values`, [B, D], which are reset."""
    if reset.dtype == torch.bool:
        return torch.where(reset, values, 0.0).sum(0)
    return values.index_select(0, reset).sum(0)
