"""Linear recurrences with resets: h[t] = a[t] * h[t-1] + b[t], restarted wherever an episode begins."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from engram.common.second_order import needs_graph
from engram.common.tracing import is_batched, is_transformed
from engram.memory_cores.scan.gradients import linear_scan_gradients


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

    Compiled loops run on a CPU (numba) and on CUDA (Triton), forwards for the states and backwards for the
    gradients. One row follows the other: parallelism in time would only move more memory. torch.compile
    keeps the loops as one node of its graph. Inside the transforms of `torch.func` (vmap, grad, …), and on
    any other device, the reference runs. Half precision is computed in single precision.

    Raises:
        ValueError: The shapes or the dtypes do not fit.
    """
    _check(a, b, is_first, carry, initial)
    if is_transformed() or b.device.type not in _ENGINES:
        return linear_scan_reference(a, b, is_first, carry, initial)
    if b.dtype not in _DTYPES:
        exact = torch.complex64 if b.is_complex() else torch.float32
        start = None if initial is None else initial.to(exact)
        return linear_scan(a.to(exact), b.to(exact), is_first, carry.to(exact), start).to(b.dtype)
    if torch.compiler.is_compiling():
        return _scan_node(a, b, is_first, carry, initial)
    return _LinearScan.apply(a, b, is_first, carry, initial)


_DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)
_ENGINES = ("cpu", "cuda")


@functools.cache
def scan_engine(device_type: str) -> ModuleType:
    """Return the module of `scan_forward` and `scan_backward` for "cpu" or "cuda".

    It is imported here and not above, since its compiler takes a while to import.

    Raises:
        RuntimeError: Triton is missing.
    """
    if device_type == "cpu":
        from engram.memory_cores.scan import cpu

        return cpu
    try:
        from engram.memory_cores.scan import cuda
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "linear_scan on CUDA needs Triton, which torch's CUDA builds bring on Linux, and it is not "
            "installed; install triton or use device=cpu."
        ) from error
    return cuda


class _LinearScan(torch.autograd.Function):
    """g[t] = grad[t] + conj(a[t+1]) g[t+1] is the gradient to b[t], where nothing crosses a reset."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None
    ) -> Tensor:
        states = scan_engine(b.device.type).scan_forward(a, b, is_first, carry, initial)
        ctx.save_for_backward(a, is_first, carry, initial, states)
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _gradients(ctx, grad, lambda *args: scan_engine(grad.device.type).scan_backward(*args))


def _gradients(
    ctx: Any, grad: Tensor, backward: Callable[..., tuple[Tensor, ...]]
) -> tuple[Tensor | None, ...]:
    """Run `backward` on what was saved, or, where it must be differentiable itself, what equals it."""
    needs_a, *_, needs_initial = ctx.needs_input_grad
    if needs_graph(grad):
        scan = linear_scan_reference if is_batched((grad,)) else linear_scan
        a, is_first, carry, initial, states = ctx.saved_tensors
        parts = linear_scan_gradients(scan, a, is_first, carry, initial, states, grad)
        grad_a, grad_b, grad_carry, grad_initial = parts
    else:
        grad_a, grad_b, grad_carry, grad_initial = backward(*ctx.saved_tensors, grad, needs_a)
    return grad_a if needs_a else None, grad_b, None, grad_carry, grad_initial if needs_initial else None


@torch.library.custom_op("engram::linear_scan", mutates_args=())
def _scan_node(a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None) -> Tensor:
    """Run the forward loop as one node of a graph; the eager path is spared an operator's dispatch."""
    return scan_engine(b.device.type).scan_forward(a, b, is_first, carry, initial)


@_scan_node.register_fake
def _(a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None) -> Tensor:
    return b.new_empty(b.shape)


@torch.library.custom_op("engram::linear_scan_backward", mutates_args=())
def _backward_node(
    a: Tensor,
    is_first: Tensor,
    carry: Tensor,
    initial: Tensor | None,
    states: Tensor,
    grad: Tensor,
    needs_a: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the backward loop as one node of a graph."""
    return scan_engine(grad.device.type).scan_backward(a, is_first, carry, initial, states, grad, needs_a)


@_backward_node.register_fake
def _(
    a: Tensor,
    is_first: Tensor,
    carry: Tensor,
    initial: Tensor | None,
    states: Tensor,
    grad: Tensor,
    needs_a: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    shapes = (a.shape if needs_a else (0,), states.shape, carry.shape, carry.shape[1:])
    grad_a, grad_b, grad_carry, grad_initial = (a.new_empty(shape) for shape in shapes)
    return grad_a, grad_b, grad_carry, grad_initial


def _save_for_backward(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
    a, _, is_first, carry, initial = inputs
    ctx.save_for_backward(a, is_first, carry, initial, output)


def _node_gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return _gradients(ctx, grad, _backward_node)


_scan_node.register_autograd(_node_gradients, setup_context=_save_for_backward)


def _check(a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None) -> None:
    """Refuse what the compiled loops, which check no index, would read beyond."""
    dtypes = [a.dtype, b.dtype, carry.dtype] + ([] if initial is None else [initial.dtype])
    if any(dtype != b.dtype for dtype in dtypes):
        raise ValueError(
            f"a, b, carry and initial must have the same dtype, got {', '.join(map(str, dtypes))}; "
            "convert them to the carry's."
        )
    batch, length, width = b.shape
    if (
        a.shape not in (b.shape, (width,))
        or carry.shape != (batch, width)
        or is_first.shape != (batch, length)
        or is_first.dtype != torch.bool
        or not (initial is None or initial.shape == (width,))
    ):
        raise ValueError(
            f"linear_scan takes a [D] or [B, T, D], b [B, T, D], is_first bool [B, T], carry [B, D] and "
            f"initial [D] or None, got {list(a.shape)}, {list(b.shape)}, {is_first.dtype} "
            f"{list(is_first.shape)}, {list(carry.shape)} and "
            f"{None if initial is None else list(initial.shape)}; reshape or expand them."
        )
