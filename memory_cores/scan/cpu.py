"""The linear scan in host memory: torch's tensors as the arrays of the compiled loops."""

from numpy.typing import NDArray
from torch import Tensor

from engram.memory_cores.scan.cpu_kernels import (
    backward_complex,
    backward_real,
    forward_complex,
    forward_real,
)


def scan_forward(a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None) -> Tensor:
    """Compute all states.

    Args:
        a: Transition, [D] or [B, T, D].
        b: Inputs, [B, T, D].
        is_first: Whether a row begins an episode, [B, T] bool.
        carry: The state before row 0, [B, D].
        initial: The state an episode begins with, [D]; None is zero.

    Returns:
        The states after every row, [B, T, D].
    """
    states = b.new_empty(b.shape)
    start = b.new_zeros(b.shape[2]) if initial is None else initial
    kernel = forward_complex if b.is_complex() else forward_real
    kernel(_rows(a), _array(b), _array(is_first), _array(carry), _array(start), _array(states))
    return states


def scan_backward(
    a: Tensor,
    is_first: Tensor,
    carry: Tensor,
    initial: Tensor | None,
    states: Tensor,
    grad: Tensor,
    needs_a: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the gradients.

    Args:
        a: As in the forward pass.
        is_first: As in the forward pass.
        carry: As in the forward pass.
        initial: As in the forward pass.
        states: The result of the forward pass, [B, T, D].
        grad: The gradient to the states, [B, T, D].
        needs_a: Compute the gradient to `a`, which costs a pass over the states; else it is empty.

    Returns:
        The gradients to `a`, `b`, `carry` and `initial`.
    """
    batch, _, width = states.shape
    varying = a.dim() == 3
    start = a.new_zeros(width) if initial is None else initial
    grad_b, grad_carry, grad_initial = (
        a.new_empty(states.shape),
        a.new_empty(batch, width),
        a.new_empty(batch, width),
    )
    # A constant's gradient is summed for each environment first, which keeps float32 sums short.
    grad_a = a.new_empty(states.shape if varying else (batch, width)) if needs_a else a.new_empty(1, width)
    kernel = backward_complex if a.is_complex() else backward_real
    inputs = (_array(tensor) for tensor in (is_first, carry, start, states, grad))
    outputs = (_array(tensor) for tensor in (grad_b, grad_carry, grad_initial))
    kernel(_rows(a), *inputs, needs_a, _rows(grad_a), *outputs)
    if not needs_a:
        grad_a = a.new_empty(0)
    elif not varying:
        grad_a = grad_a.sum(0)
    return grad_a, grad_b, grad_carry, grad_initial.sum(0)


def _rows(tensor: Tensor) -> NDArray:
    """View rows of the last dimension one under the other, [n, D]."""
    array = _array(tensor)
    return array.reshape(-1, array.shape[-1])


def _array(tensor: Tensor) -> NDArray:
    """View a tensor as a contiguous array, a copy if it is not; complex numbers become pairs, [..., 2 D]."""
    tensor = tensor.detach()
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    array = tensor.contiguous().numpy()
    return array.view(array.real.dtype) if tensor.is_complex() else array
