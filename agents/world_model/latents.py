"""The categorical latents of a world model: C categoricals of K classes, as log-probabilities `[..., C, K]`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engram.common.second_order import needs_graph, reference_gradients
from engram.common.tracing import is_traced

# Numbers in a register of a CPU. Of 8,192 rows of 8 classes torch's softmax takes 1.8 ms, and as operations 0.5 ms.
_VECTOR = 16


def unimix(logits: Tensor, ratio: float = 0.01) -> Tensor:
    """Mix a softmax with the uniform distribution, so that no class dies and divergences stay bounded.

    Args:
        logits: `[..., K]`.
        ratio: share of the uniform distribution.

    Returns:
        Log-probabilities `[..., K]` in float32.
    """
    if ratio == 0:
        return F.log_softmax(logits.float(), dim=-1)
    if logits.is_cuda and not is_traced():
        return _Mixed.apply(logits, ratio, None)[0]
    return _mixed(logits, ratio)


def draw(logits: Tensor, uniform: Tensor, ratio: float = 0.01) -> tuple[Tensor, Tensor]:
    """Mix as `unimix` does and draw as `sample` does, at once.

    Args:
        logits: `[..., C, K]`.
        uniform: in (0, 1), `[..., C]`.
        ratio: share of the uniform distribution.

    Returns:
        Log-probabilities and straight-through one-hot latents, both `[..., C, K]` in float32.
    """
    if ratio > 0 and logits.is_cuda and not is_traced():
        log_probs, z = _Mixed.apply(logits, ratio, uniform)
        return log_probs, z
    log_probs = unimix(logits, ratio)
    return log_probs, sample(log_probs, uniform)


def sample_index(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Draw one class of every categorical from one uniform number each.

    Args:
        log_probs: `[..., C, K]`.
        uniform: in (0, 1), `[..., C]`.

    Returns:
        Classes `[..., C]` int64.
    """
    cumulative = log_probs.detach().exp().cumsum(-1)
    return (cumulative < uniform.unsqueeze(-1)).sum(-1).clamp_(max=log_probs.shape[-1] - 1)


def straight_through(log_probs: Tensor, index: Tensor) -> Tensor:
    """One-hot vectors whose gradient is that of the probabilities.

    Args:
        log_probs: `[..., C, K]`.
        index: the classes drawn, `[..., C]` int64.

    Returns:
        Float32 `[..., C, K]`, exactly one-hot.
    """
    probs = log_probs.exp()
    one_hot = torch.zeros_like(probs).scatter_(-1, index.unsqueeze(-1), 1.0)
    # The bracket is exactly 0 whatever the rounding.
    return one_hot + (probs - probs.detach()) if probs.requires_grad else one_hot


def sample(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Draw straight-through one-hot latents; see `sample_index` and `straight_through`."""
    return straight_through(log_probs, sample_index(log_probs, uniform))


def kl_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p ‖ q) in nats of `[..., C, K]`, summed over the C categoricals, `[...]`."""
    return (log_p.exp() * (log_p - log_q)).sum((-2, -1))


def balanced_kl(posterior: Tensor, prior: Tensor, free_nats: float = 1.0) -> tuple[Tensor, Tensor]:
    """Dynamics loss (the prior learns) and representation loss (the posterior learns).

    Args:
        posterior: log-probabilities `[..., C, K]`.
        prior: log-probabilities `[..., C, K]`.
        free_nats: below it, per step and after the sum over categoricals, nothing is learnt.

    Returns:
        max(free_nats, KL(sg posterior ‖ prior)) and max(free_nats, KL(posterior ‖ sg prior)), both `[...]`.

    Source: Hafner et al. 2023 (DreamerV3), eq. 4 and 5.
    """
    dynamics = kl_divergence(posterior.detach(), prior)
    representation = kl_divergence(posterior, prior.detach())
    return dynamics.clamp(min=free_nats), representation.clamp(min=free_nats)


def entropy(log_probs: Tensor) -> Tensor:
    """Entropy in nats of `[..., C, K]`, summed over the categoricals, `[...]`."""
    return -(log_probs.exp() * log_probs).sum((-2, -1))


def _mixed(logits: Tensor, ratio: float) -> Tensor:
    probs = _softmax(logits.float())
    return (probs * (1 - ratio) + ratio / logits.shape[-1]).log()


def _softmax(logits: Tensor) -> Tensor:
    """Softmax of `[..., K]`, by whole operations where few classes would be done one row at a time on a CPU."""
    if logits.shape[-1] >= _VECTOR or logits.is_cuda:
        return logits.softmax(-1)
    powers = (logits - logits.detach().amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


class _Mixed(torch.autograd.Function):
    """`unimix`, and with uniform numbers `draw`, by one kernel, its reverse by another."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, ratio: float, uniform: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        from engram.agents.world_model.latent_kernels import cuda

        log_probs, z = cuda.unimix_forward(logits, ratio, uniform)
        ctx.save_for_backward(logits, log_probs, z)
        ctx.ratio = ratio
        ctx.set_materialize_grads(False)
        return log_probs, z

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, to_z: Tensor | None = None
    ) -> tuple[Tensor | None, None, None]:
        logits, log_probs, z = ctx.saved_tensors
        if needs_graph(grad, to_z):

            def reference(logits: Tensor) -> tuple[Tensor, ...]:
                mixed = _mixed(logits, ctx.ratio)
                return (mixed,) if z is None else (mixed, straight_through(mixed, z.argmax(-1)))

            given = (grad,) if z is None else (grad, to_z)
            return reference_gradients(reference, (logits,), (True,), given)[0], None, None
        from engram.agents.world_model.latent_kernels import cuda

        return cuda.unimix_backward(log_probs, grad, to_z, ctx.ratio, logits.dtype), None, None
