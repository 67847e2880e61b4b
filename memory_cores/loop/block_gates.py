"""The gates of a block-diagonal recurrent unit: what follows its last product in every row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engram.common.second_order import needs_graph, reference_gradients
from engram.common.tracing import is_traced


def block_gates_reference(gates: Tensor, hidden: Tensor, update_bias: float) -> Tensor:
    """Compute h' = h + σ(u + update_bias) ⊙ (tanh(σ(r) ⊙ c) − h).

    Args:
        gates: Of every block r, c and u side by side, [G, B, 3 n].
        hidden: h, the blocks side by side, [B, G n].
        update_bias: Added to u.

    Returns:
        [B, G n].
    """
    reset, candidate, update = (join_blocks(gate) for gate in gates.chunk(3, dim=-1))
    candidate = (reset.sigmoid() * candidate).tanh()
    return hidden + (update + update_bias).sigmoid() * (candidate - hidden)


def block_gates(gates: Tensor, hidden: Tensor, update_bias: float) -> Tensor:
    """Compute what `block_gates_reference` does: on CUDA by one kernel, its reverse by another."""
    if gates.is_cuda and gates.dtype != torch.float64 and not is_traced():
        return _BlockGates.apply(gates, hidden, update_bias)
    return block_gates_reference(gates, hidden, update_bias)


class _BlockGates(torch.autograd.Function):
    """Saves its inputs alone: the reverse computes the gates again."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, hidden: Tensor, update_bias: float) -> Tensor:
        from engram.memory_cores.loop import cuda

        ctx.save_for_backward(gates, hidden)
        ctx.update_bias = update_bias
        return cuda.block_gates_forward(gates, hidden, update_bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if needs_graph(grad):

            def reference(gates: Tensor, hidden: Tensor) -> tuple[Tensor]:
                return (block_gates_reference(gates, hidden, ctx.update_bias),)

            return (
                *reference_gradients(reference, ctx.saved_tensors, ctx.needs_input_grad[:2], (grad,)),
                None,
            )
        from engram.memory_cores.loop import cuda

        gates, hidden = ctx.saved_tensors
        return *cuda.block_gates_backward(gates, hidden, ctx.update_bias, grad), None


def join_blocks(blocks: Tensor) -> Tensor:
    """Join blocks [G, B, n] to [B, G n]."""
    return blocks.transpose(0, 1).flatten(1)
