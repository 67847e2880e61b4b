"""The transitions of modes on a CUDA device: torch's tensors as the arrays of the Triton kernels."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from engram.memory_cores.state_space.cuda_kernels import backward_kernel, forward_kernel
from engram.memory_cores.state_space.discretization import Rule

BLOCK = 32
"""Modes of a program."""


def transition_forward(
    rule: Rule, decay: Tensor, frequency: Tensor, logarithm: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute Ā and the scale of modes [*], complex64 at least; a logarithm [*, 1] is shared by the last dimension."""
    dtype = torch.promote_types(decay.dtype, torch.complex64)
    transition, scale = (torch.empty(decay.shape, dtype=dtype, device=decay.device) for _ in range(2))
    outputs = torch.view_as_real(transition), torch.view_as_real(scale)
    _launch(forward_kernel, rule, (decay, frequency, logarithm, *outputs))
    return transition, scale


def transition_backward(
    rule: Rule,
    decay: Tensor,
    frequency: Tensor,
    logarithm: Tensor,
    grad_transition: Tensor,
    grad_scale: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of the three parameters."""
    found = [torch.empty_like(decay, memory_format=torch.contiguous_format) for _ in range(3)]
    grads = [torch.view_as_real(grad.resolve_conj().contiguous()) for grad in (grad_transition, grad_scale)]
    _launch(backward_kernel, rule, (decay, frequency, logarithm, *grads, *found))
    to_decay, to_frequency, to_logarithm = found
    return to_decay, to_frequency, to_logarithm.sum_to_size(logarithm.shape)


def _launch(kernel: Any, rule: Rule, tensors: tuple[Tensor, ...]) -> None:
    decay, frequency, logarithm, *others = (tensor.detach().contiguous() for tensor in tensors)
    count = decay.numel()
    with torch.cuda.device_of(decay):
        kernel[(triton.cdiv(count, BLOCK),)](
            decay,
            frequency,
            logarithm,
            *others,
            count,
            count // logarithm.numel(),
            MAX_DECAY=float("inf") if rule.max_decay is None else rule.max_decay,
            METHOD=rule.method,
            LOG_DECAY=rule.log_decay,
            BLOCK=BLOCK,
            num_warps=1,
        )
