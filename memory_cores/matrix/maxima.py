"""mLSTM's running maximum in host memory, by a compiled loop."""

from typing import Any

import torch
from torch import Tensor

from engram.common.second_order import needs_graph, reference_gradients
from engram.memory_cores.carry import select_initial
from engram.memory_cores.matrix.cpu import as_array


def running_maxima_reference(scores: Tensor, gains: Tensor, is_first: Tensor, before: Tensor) -> Tensor:
    """Compute m[t] = max(m[t−1] + gains[t], scores[t]), where m[t−1] is zero wherever an episode begins.

    Args:
        scores: Finite, [B, T, H].
        gains: Finite, [B, T, H].
        is_first: Whether a row begins an episode, [B, T] bool.
        before: m before row 0, finite, [B, H].

    Returns:
        m after every row, [B, T, H].
    """
    maximum, maxima = before, []
    for score, gain, first in zip(scores.unbind(1), gains.unbind(1), is_first.unbind(1), strict=True):
        maximum = torch.maximum(select_initial(first, 0.0, maximum) + gain, score)
        maxima.append(maximum)
    return torch.stack(maxima, dim=1)


class RunningMaxima(torch.autograd.Function):
    """What `running_maxima_reference` computes."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, gains: Tensor, is_first: Tensor, before: Tensor) -> Tensor:
        """Run the loop; arguments and result are the reference's."""
        from engram.memory_cores.matrix.cpu_kernels import (
            run_maxima,  # whose compiler takes a while to import
        )

        maxima = torch.empty_like(scores, memory_format=torch.contiguous_format)
        run_maxima(*map(as_array, (scores, gains, is_first, before, maxima)))
        ctx.save_for_backward(scores, gains, is_first, before, maxima)
        return maxima

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients to scores, gains and the maximum before row 0."""
        scores, gains, is_first, before, _ = ctx.saved_tensors
        if needs_graph(grad):

            def reference(scores: Tensor, gains: Tensor, before: Tensor) -> tuple[Tensor]:
                return (running_maxima_reference(scores, gains, is_first, before),)

            needed = [ctx.needs_input_grad[index] for index in (0, 1, 3)]
            of_scores, of_gains, of_before = reference_gradients(
                reference, (scores, gains, before), needed, (grad,)
            )
            return of_scores, of_gains, None, of_before
        from engram.memory_cores.matrix.cpu_kernels import reverse_maxima

        grads = [torch.empty(part.shape, dtype=part.dtype) for part in (scores, gains, before)]
        reverse_maxima(*map(as_array, (*ctx.saved_tensors, grad, *grads)))
        return grads[0], grads[1], None, grads[2]
