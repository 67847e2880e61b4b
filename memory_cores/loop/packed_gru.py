"""The GRU of whole sequences as one function: a loop over packed rows, its reverse written by hand."""

from typing import Any

import torch
from torch import Tensor

from engram.common.dense import multiply, multiply_transposed
from engram.common.second_order import needs_graph, reference_gradients
from engram.memory_cores.loop.packing import Packing
from engram.memory_cores.loop.reference import gru_loop_reference
from engram.memory_cores.loop.weights import GateWeights


class PackedGRU(torch.autograd.Function):
    """A GRU over the segments of a `Packing`, in host memory; the plan is that of `PackedLSTM`.

    Four values are kept for each row, in the order m, r, z, n with m = U_n h + b_n: the gradients of the
    first three are those of the recurrent products, the last three those of the input's.
    """

    @staticmethod
    def forward(
        ctx: Any,
        packing: Packing,
        is_first: Tensor,
        x: Tensor,
        hidden: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        """Return the hidden states after every row, [B, T, H]."""
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        size = weight_hh.shape[1]
        rows_x = packing.pack(x)
        values = rows_x.new_empty(len(rows_x), 4 * size)
        values[:, :size] = bias_hh[2 * size :]
        bias = torch.cat([bias_ih[: 2 * size] + bias_hh[: 2 * size], bias_ih[2 * size :]])
        multiply(rows_x, weight_ih, bias, out=values[:, size:])
        weight = weight_hh.roll(size, 0)  # to the order n, r, z
        hiddens = packing.begin(hidden)
        views = (values[:, : 3 * size], values[:, size : 3 * size], *values.split(size, dim=1))
        for products, sigmoids, m, r, z, n, before, after in zip(
            *map(packing.split, views), *packing.split_states(hiddens), strict=True
        ):
            products.addmm_(before, weight.mT)
            sigmoids.sigmoid_()
            torch.lerp(n.addcmul_(r, m).tanh_(), before, z, out=after)
        ctx.packing = packing
        ctx.save_for_backward(is_first, x, hidden, *weights, rows_x, values, hiddens, weight)
        return packing.unpack(hiddens[packing.num_segments :])

    @staticmethod
    def backward(ctx: Any, grad_hiddens: Tensor) -> tuple[Any, ...]:
        """Run the loop in reverse: every gradient of a row is a factor times its dh."""
        packing: Packing = ctx.packing
        is_first, *inputs = ctx.saved_tensors[:7]
        weight_ih = inputs[2]
        rows_x, values, hiddens, weight = ctx.saved_tensors[7:]
        if needs_graph(grad_hiddens):

            def reference(x: Tensor, hidden: Tensor, *parts: Tensor) -> tuple[Tensor]:
                return (gru_loop_reference(x, is_first, hidden, GateWeights(*parts)),)

            gradients = reference_gradients(reference, inputs, ctx.needs_input_grad[2:], (grad_hiddens,))
            return None, None, *gradients
        size = hiddens.shape[1]
        previous_hidden = hiddens[packing.previous]
        factors = _gate_factors(values, previous_hidden)
        dhs = packing.begin_gradient(grad_hiddens, hiddens)
        grads = factors.flatten(1)  # the factors become the gradients, place by place
        views = (factors, grads[:, : 3 * size], values[:, 2 * size : 3 * size])
        places = zip(*map(packing.split, views), *packing.split_states(dhs), strict=True)
        for factor, products, z, dh_before, dh in reversed(list(places)):
            factor.mul_(dh.unsqueeze(1))
            dh_before.addmm_(products, weight).addcmul_(dh, z)
        from_input, from_hidden = grads[:, size:], grads[:, : 3 * size]
        return (
            None,
            None,
            packing.unpack(multiply(from_input, weight_ih.mT)) if ctx.needs_input_grad[2] else None,
            dhs[packing.carried],
            multiply_transposed(from_input, rows_x),
            multiply_transposed(from_hidden, previous_hidden).roll(-size, 0),
            from_input.sum(0),
            from_hidden.sum(0).roll(-size, 0),
        )


def _gate_factors(values: Tensor, previous_hidden: Tensor) -> Tensor:
    """Compute what turns dh into gradients: for m, and before the nonlinearities of r, z and n.

    Args:
        values: Values of m, r, z and n, [N, 4H].
        previous_hidden: The hidden state before each row, [N, H].

    Returns:
        Factors, [N, 4, H].
    """
    m, r, z, n = values.unflatten(1, (4, -1)).unbind(1)
    factors = torch.empty_like(values).unflatten(1, (4, -1))
    factor_m, factor_r, factor_z, factor_n = factors.unbind(1)
    torch.mul(n, n, out=factor_n).neg_().add_(1)
    factor_n.addcmul_(factor_n, z, value=-1)  # (1 − z)(1 − n²)
    torch.mul(factor_n, r, out=factor_m)
    torch.mul(factor_m, m, out=factor_r)
    factor_r.addcmul_(factor_r, r, value=-1)  # factor_n · m · r (1 − r)
    torch.sub(previous_hidden, n, out=factor_z).mul_(z)
    factor_z.addcmul_(factor_z, z, value=-1)  # (h − n) z (1 − z)
    return factors
