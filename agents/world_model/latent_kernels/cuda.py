"""Categorical latents on a CUDA device: torch's tensors as the arrays of the Triton kernels."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from engram.agents.world_model.latent_kernels.cuda_kernels import (
    sample_kernel,
    unimix_backward_kernel,
    unimix_kernel,
)

ENTRIES = 512
"""Classes of all categoricals of a program."""


def unimix_forward(logits: Tensor, ratio: float) -> Tensor:
    """Compute `unimix`, [..., K] float32; the ratio is above 0."""
    log_probs = torch.empty(logits.shape, dtype=torch.float32, device=logits.device)
    _launch(unimix_kernel, logits.contiguous(), log_probs, ratio)
    return log_probs


def unimix_backward(log_probs: Tensor, grad: Tensor, ratio: float, dtype: torch.dtype) -> Tensor:
    """Compute the gradient of the logits, which are of a dtype, from the result of `unimix_forward`."""
    to_logits = torch.empty(log_probs.shape, dtype=dtype, device=log_probs.device)
    _launch(unimix_backward_kernel, log_probs, grad.contiguous(), to_logits, ratio)
    return to_logits


def sample_one_hot(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Draw the classes of `sample_index` as one-hot vectors, [..., K] float32."""
    one_hot = torch.empty(log_probs.shape, dtype=torch.float32, device=log_probs.device)
    _launch(sample_kernel, log_probs.contiguous(), uniform.contiguous(), one_hot)
    return one_hot


def _launch(kernel: Any, first: Tensor, *others: Any) -> None:
    classes = first.shape[-1]
    count, padded = first.numel() // classes, triton.next_power_of_2(classes)
    rows = max(1, ENTRIES // padded)
    with torch.cuda.device_of(first):
        kernel[(triton.cdiv(count, rows),)](
            first.detach(), *others, count, classes, ROWS=rows, CLASSES=padded
        )
