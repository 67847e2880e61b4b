"""PPO's loss on a CUDA device: tensors as the arrays of the Triton kernels."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from engram.agents.ppo.loss_kernels.cuda_kernels import moments_kernel, rows_kernel, total_kernel
from engram.agents.ppo.settings import PPOSettings

BLOCK = 1024
"""Rows of a program."""


def loss_and_gradients(
    log_prob: Tensor, entropy: Tensor, value: Tensor, rows: tuple[Tensor, ...], settings: PPOSettings
) -> tuple[Tensor, Tensor]:
    """Compute what `ppo_loss` does of its arguments, and its reverse.

    Returns:
        The loss and its terms, [7], and the gradients of `log_prob`, `entropy` and `value`,
        [3, *] each of their shape.
    """
    count, device = log_prob.numel(), log_prob.device
    programs = triton.cdiv(count, BLOCK)
    padded = triton.next_power_of_2(programs)
    moments, partial = (torch.empty(n, programs, device=device) for n in (3, 6))
    grads, results = torch.empty(3, *log_prob.shape, device=device), torch.empty(7, device=device)
    given = [part.detach().contiguous() for part in (log_prob, entropy, value, *rows[:-1])]
    advantage, mask = given[-1], rows[-1].contiguous().view(torch.uint8)
    coefs = settings.value_coef, settings.entropy_coef
    clips = settings.clip_range, settings.value_clip_range or 0.0
    with torch.cuda.device_of(log_prob):
        moments_kernel[(programs,)](advantage, mask, moments, count, BLOCK=BLOCK)
        rows_kernel[(programs,)](
            *given,
            mask,
            moments,
            partial,
            grads,
            *clips,
            *coefs,
            count,
            programs,
            NORMALIZES=settings.normalize_advantage == "minibatch",
            CLIPS_VALUE=settings.value_clip_range is not None,
            BLOCK=BLOCK,
            PROGRAMS=padded,
        )
        total_kernel[(1,)](partial, results, *coefs, programs, PROGRAMS=padded)
    return results, grads
