"""Matrix memories in host memory: torch's tensors as the arrays of the compiled loops, and their reverse."""

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from engram.common.second_order import needs_graph, reference_gradients
from engram.memory_cores.matrix.chunks import CHUNK

Memory = tuple[Tensor, Tensor]
"""What is read, [B, T, H, V], and the states that are carried on."""


class MatrixRows(torch.autograd.Function):
    """Row by row, with a head's matrix in the processor's cache; of the states, one in `CHUNK` is kept."""

    @staticmethod
    def forward(
        ctx: Any,
        chunks: Callable[..., Memory],
        carry_every: int,
        of_values: bool,
        is_first: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        log_decay: Tensor | None,
        strength: Tensor | None,
        state: Tensor,
        needs_grad: bool,
    ) -> Memory:
        """Run what `chunks(query, key, value, log_decay, strength, state)` equals by loops.

        All tensors are of one dtype, float32 or float64; shapes are those of `decayed_memory` and `delta_memory`.

        Args:
            ctx: Of the function.
            chunks: Is differentiated where the reverse must be differentiable.
            carry_every: Which states are wanted.
            of_values: Whether the decay is of value channels.
            is_first: Whether a row begins an episode.
            query: q.
            key: k.
            value: v.
            log_decay: g.
            strength: β of the delta rule, or None without it.
            state: S before row 0.
            needs_grad: Keep states for the reverse.

        Returns:
            y and the states.
        """
        from engram.memory_cores.matrix.cpu_kernels import forward  # whose compiler takes a while to import

        batch, length = is_first.shape
        y = torch.empty_like(value, memory_format=torch.contiguous_format)
        states = state.new_empty(batch, length // carry_every if carry_every else 1, *state.shape[1:])
        kept = state.new_empty(batch, -(-length // CHUNK) if needs_grad else 0, *state.shape[1:])
        rows = _rows(query, key, value, log_decay, strength)
        outputs = (as_array(part) for part in (y, states, kept))
        forward(
            rows, as_array(is_first), as_array(state.unsqueeze(1)), of_values, carry_every, CHUNK, *outputs
        )
        ctx.options = chunks, carry_every, of_values
        ctx.save_for_backward(is_first, query, key, value, log_decay, strength, state, kept)
        return y, states if carry_every else states.squeeze(1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients to the rows and to the state."""
        grad_y, grad_states = grad_outputs
        chunks, carry_every, of_values = ctx.options
        is_first, *inputs, kept = ctx.saved_tensors
        if needs_graph(grad_y, grad_states):
            needed = ctx.needs_input_grad[4:10]
            return (*(None,) * 4, *reference_gradients(chunks, inputs, needed, grad_outputs), None)
        from engram.memory_cores.matrix.cpu_kernels import backward

        rows = _rows(*inputs[:5])
        grads = tuple(torch.zeros(part.shape, dtype=kept.dtype) for part in rows)
        grad_before = kept.new_empty(len(kept), 1, *kept.shape[2:])
        given = (as_array(grad_y), as_array(grad_states if carry_every else grad_states.unsqueeze(1)))
        arrays = tuple(as_array(part) for part in grads)
        backward(
            rows,
            as_array(is_first),
            as_array(kept),
            of_values,
            carry_every,
            CHUNK,
            *given,
            arrays,
            as_array(grad_before),
        )
        of_decay, of_strength = (
            None if part is None else grad.view(part.shape)
            for part, grad in zip(inputs[3:5], grads[3:], strict=True)
        )
        if of_decay is not None:
            of_decay = of_decay * inputs[3].exp()
        return (*(None,) * 4, *grads[:3], of_decay, of_strength, grad_before.squeeze(1), None)


def _rows(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, strength: Tensor | None
) -> tuple[NDArray, ...]:
    """Give the rows the form that the loops take."""
    keep = torch.ones(q.shape[:3], dtype=q.dtype) if log_decay is None else log_decay.detach().exp()
    keep = keep if keep.dim() == 4 else keep.unsqueeze(-1)
    beta = q.new_empty(0, 0, 0, 0) if strength is None else strength.unsqueeze(-1)
    return tuple(as_array(part) for part in (q, k, v, keep, beta))


def as_array(tensor: Tensor) -> NDArray:
    """View a tensor as a contiguous array, a copy if it is not."""
    return tensor.detach().contiguous().numpy()
