"""Categorical latents on a CUDA device: torch's tensors as the arrays of the Triton kernels."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from engram.agents.world_model.latent_kernels.cuda_kernels import unimix_backward_kernel, unimix_kernel

ENTRIES = 512
"""Classes of all categoricals of a program."""


def unimix_forward(logits: Tensor, ratio: float, uniform: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Compute `unimix`, and of uniform numbers [...] the one-hot vectors of `sample`, [..., K] float32 each.

    The ratio is above 0.
    """
    log_probs = torch.empty(logits.shape, dtype=torch.float32, device=logits.device)
    one_hot = None if uniform is None else torch.empty_like(log_probs)
    noise = None if uniform is None else uniform.contiguous()
    _launch(unimix_kernel, logits.contiguous(), noise, log_probs, one_hot, ratio)
    return log_probs, one_hot


def unimix_backward(
    log_probs: Tensor, grad: Tensor | None, to_one_hot: Tensor | None, ratio: float, dtype: torch.dtype
) -> Tensor:
    """Compute the gradient of the logits, which are of a dtype, from the first result of `unimix_forward`.

    Those of both results are given, None for 0.
    """
    to_logits = torch.empty(log_probs.shape, dtype=dtype, device=log_probs.device)
    given = (None if part is None else part.contiguous() for part in (grad, to_one_hot))
    _launch(unimix_backward_kernel, log_probs, *given, to_logits, ratio)
    return to_logits


def _launch(kernel: Any, first: Tensor, *others: Any) -> None:
    classes = first.shape[-1]
    count, padded = first.numel() // classes, triton.next_power_of_2(classes)
    rows = max(1, ENTRIES // padded)
    with torch.cuda.device_of(first):
        kernel[(triton.cdiv(count, rows),)](
            first.detach(), *others, count, classes, ROWS=rows, CLASSES=padded
        )
