"""How a differentiable memory of slots is addressed: by content, by what is free, by the order of writing.

Source: Graves et al., "Hybrid computing using a neural network with dynamic external memory", 2016, methods.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

_NORM_EPSILON = 1e-6  # so that an empty slot is like nothing
_ALIKE = 1e-5  # usages that differ by less are ties, which a rounding must not decide


def content_weights(memory: Tensor, keys: Tensor, strengths: Tensor) -> Tensor:
    """Weigh slots by the cosine of the angle to a key, sharpened by a softmax.

    Args:
        memory: Slots, [B, N, W].
        keys: [B, K, W].
        strengths: Factors of the cosines, [B, K].

    Returns:
        Weights, [B, K, N], whose sum over the slots is 1.
    """
    return (strengths.unsqueeze(-1) * (_to_unit(keys) @ _to_unit(memory).mT)).softmax(dim=-1)


def allocation_weights(usage: Tensor) -> Tensor:
    """Weigh slots by how free they are: the freest gets what it is free, the next that much of what is left, ….

    a[φ_j] = (1 − u[φ_j]) Π_{i<j} u[φ_i], with φ the slots in the order of their usage, ties in their own order. The
    order takes no gradient.

    Args:
        usage: u, [B, N], from 0 to 1.

    Returns:
        Weights, [B, N], whose sum is 1 at most.
    """
    own_order = torch.arange(usage.shape[-1], device=usage.device)
    order = (usage + _ALIKE * own_order).argsort(dim=-1)
    in_order = usage.gather(-1, order)
    # Products up to a slot by doubling: unlike `cumprod`, differentiable to any order where a factor is zero.
    before, reach = pad(in_order[..., :-1], (1, 0), value=1.0), 1
    while reach < usage.shape[-1]:
        before = before * pad(before[..., :-reach], (reach, 0), value=1.0)
        reach *= 2
    return torch.zeros_like(usage).scatter(-1, order, (1 - in_order) * before)


def linked(links: Tensor, precedence: Tensor, written: Tensor) -> tuple[Tensor, Tensor]:
    """Note in which order slots are written.

    L'[i, j] = (1 − w[i] − w[j]) L[i, j] + w[i] p[j] for i ≠ j; p' = (1 − Σ w) p + w.

    Args:
        links: L, how far slot i was written just after slot j, [B, N, N].
        precedence: p, how far a slot was the last one written, [B, N].
        written: w, the weights of this row's writing, [B, N].

    Returns:
        L' and p'.
    """
    after, same = written.unsqueeze(-1), torch.eye(written.shape[-1], device=written.device).bool()
    links = (1 - after - written.unsqueeze(-2)) * links + after * precedence.unsqueeze(-2)
    return links.masked_fill(same, 0.0), (1 - written.sum(-1, keepdim=True)) * precedence + written


def _to_unit(vectors: Tensor) -> Tensor:
    return vectors * (vectors.square().sum(-1, keepdim=True) + _NORM_EPSILON).rsqrt()
