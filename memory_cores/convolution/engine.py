"""Convolutions of single channels over the last rows of an episode: compiled loops on a CPU, and the reference."""

from typing import Any

import torch
from torch import Tensor

from engram.common.second_order import needs_graph, reference_gradients
from engram.common.tracing import is_traced
from engram.memory_cores.carry import select_initial


def episode_convolution_reference(x: Tensor, before: Tensor, is_first: Tensor, weight: Tensor) -> Tensor:
    """Compute y[t] = Σ_d weight[:, taps − 1 − d] ⊙ x[t − d] over the rows of row t's episode.

    Args:
        x: Rows, [B, T, n].
        before: The rows before row 0, oldest first, [B, taps - 1, n]; of the carried episode, and zero before it.
        is_first: Whether a row begins an episode, [B, T] bool.
        weight: [n, taps].

    Returns:
        y, [B, T, n].
    """
    length, earlier = x.shape[1], before.shape[1]
    joined = torch.cat([before, x], dim=1)
    # A row is of this episode if as many episodes have begun up to it as up to the present one.
    begun = is_first.cumsum(dim=1)
    episode = torch.cat([begun.new_zeros(len(begun), earlier), begun], dim=1)
    y = x * weight[:, -1]
    for d in range(1, earlier + 1):
        rows = slice(earlier - d, earlier - d + length)
        y = y + select_initial(episode[:, rows] != begun, 0.0, joined[:, rows]) * weight[:, -1 - d]
    return y


def episode_convolution(x: Tensor, before: Tensor, is_first: Tensor, weight: Tensor) -> Tensor:
    """Compute what `episode_convolution_reference` does, by compiled loops on a CPU; all of one dtype."""
    if is_traced() or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return episode_convolution_reference(x, before, is_first, weight)
    return _EpisodeConvolution.apply(x.contiguous(), before.contiguous(), is_first.contiguous(), weight)


class _EpisodeConvolution(torch.autograd.Function):
    """The loops read and write every number once, where the reference makes copies of all rows for every tap."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, before: Tensor, is_first: Tensor, weight: Tensor) -> Tensor:
        from engram.memory_cores.convolution.cpu_kernels import (
            convolve,
        )  # whose compiler takes a while to import

        y, taps = torch.empty_like(x), weight.mT.contiguous()
        convolve(*(part.detach().numpy() for part in (x, before, is_first, taps, y)))
        ctx.save_for_backward(x, before, is_first, weight)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, before, is_first, weight = ctx.saved_tensors
        if needs_graph(grad):

            def reference(x: Tensor, before: Tensor, weight: Tensor) -> tuple[Tensor]:
                return (episode_convolution_reference(x, before, is_first, weight),)

            needed = [ctx.needs_input_grad[index] for index in (0, 1, 3)]
            of_x, of_before, of_weight = reference_gradients(reference, (x, before, weight), needed, (grad,))
            return of_x, of_before, None, of_weight
        from engram.memory_cores.convolution.cpu_kernels import convolve_backward

        taps = weight.mT.contiguous()
        grads = torch.zeros_like(x), torch.zeros_like(before), x.new_zeros(len(x), *taps.shape)
        inputs = (grad.contiguous(), x, before, is_first, taps, *grads)
        convolve_backward(*(part.detach().numpy() for part in inputs))
        # Summed for each environment first, which keeps float32 sums short.
        return grads[0], grads[1], None, grads[2].sum(0).mT
