"""The linear scan on a CUDA device: torch's tensors as the arrays of the Triton kernels."""

from typing import Any

import torch
import triton
from torch import Tensor

from engram.memory_cores.scan.cuda_kernels import backward_kernel, forward_kernel

BLOCK = 32
"""Columns of a program: one for each thread of a warp. More would leave too few programs for a GPU."""

BYTES_AHEAD = 128
"""What a thread asks for ahead of its work: enough to hide the memory's latency, and it fits in registers."""


def scan_forward(a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None) -> Tensor:
    """Compute all states; arguments and result are those of `engram.memory_cores.scan.cpu.scan_forward`."""
    states = b.new_empty(b.shape)
    tensors = (a, b, is_first, carry, carry if initial is None else initial, states)
    streams = 1 if a.dim() == 1 else 2
    _launch(forward_kernel, tensors, b, streams, LEARNED=initial is not None, VARYING=a.dim() == 3)
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
    """Compute the gradients; arguments and result are those of `engram.memory_cores.scan.cpu.scan_backward`."""
    batch, _, width = states.shape
    learned, varying = initial is not None, a.dim() == 3
    grad_b, grad_carry = a.new_empty(states.shape), a.new_empty(batch, width)
    # Each environment has its own sum of a constant's gradients: adding them up later has a fixed order.
    grad_initial = a.new_empty(batch if learned else 1, width)
    grad_a = a.new_empty(states.shape if varying else (batch, width)) if needs_a else a.new_empty(0)
    start = carry if initial is None else initial
    tensors = (a, is_first, carry, start, states, grad, grad_a, grad_b, grad_carry, grad_initial)
    _launch(backward_kernel, tensors, grad, 2, NEEDS_A=needs_a, LEARNED=learned, VARYING=varying)
    if needs_a and not varying:
        grad_a = grad_a.sum(0)
    return grad_a, grad_b, grad_carry, grad_initial.sum(0) if learned else grad_initial[0]


def _launch(kernel: Any, tensors: tuple[Tensor, ...], rows: Tensor, streams: int, **flags: bool) -> None:
    """Run a kernel over a sequence like `rows`, [B, T, D], of which it reads about `streams`."""
    batch, length, width = rows.shape
    grid = (batch * triton.cdiv(width, BLOCK),)
    ahead = max(2, BYTES_AHEAD // (rows.element_size() * streams))
    with torch.cuda.device_of(rows):
        kernel[grid](
            *map(_real, tensors),
            length,
            width,
            **flags,
            PAIRS=rows.is_complex(),
            BLOCK=BLOCK,
            ROWS=ahead,
            num_warps=1,
            enable_fp_fusion=True,
        )


def _real(tensor: Tensor) -> Tensor:
    """View a tensor contiguously, a copy if it is not: complex numbers as pairs, flags as bytes."""
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    if tensor.dtype == torch.bool:
        return tensor.view(torch.uint8)
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
