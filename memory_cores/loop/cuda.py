"""The gates of a block-diagonal recurrent unit on a CUDA device: tensors as the arrays of the Triton kernels."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from engram.memory_cores.loop.cuda_kernels import backward_kernel, forward_kernel

BLOCK = 128
"""Units of a program."""


def block_gates_forward(gates: Tensor, hidden: Tensor, update_bias: float) -> Tensor:
    """Compute the hidden state after a row, as `block_gates_reference` does."""
    dtype = torch.promote_types(gates.dtype, hidden.dtype)
    following = torch.empty(hidden.shape, dtype=dtype, device=hidden.device)
    _launch(forward_kernel, gates, hidden, update_bias, following)
    return following


def block_gates_backward(
    gates: Tensor, hidden: Tensor, update_bias: float, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of the gates and of the hidden state before."""
    to_gates, to_hidden = (
        torch.empty_like(part, memory_format=torch.contiguous_format) for part in (gates, hidden)
    )
    _launch(backward_kernel, gates, hidden, update_bias, grad.contiguous(), to_gates, to_hidden)
    return to_gates, to_hidden


def _launch(kernel: Any, gates: Tensor, hidden: Tensor, update_bias: float, *others: Tensor) -> None:
    batch, units = hidden.shape
    with torch.cuda.device_of(gates):
        kernel[(triton.cdiv(hidden.numel(), BLOCK),)](
            gates.detach().contiguous(),
            hidden.detach().contiguous(),
            *others,
            update_bias,
            batch,
            units,
            units // gates.shape[0],
            BLOCK=BLOCK,
        )
