"""The LSTM of whole sequences as one function: a loop over packed rows, its reverse written by hand."""

from typing import Any

import torch
from torch import Tensor

from engram.common.dense import multiply, multiply_transposed
from engram.common.second_order import needs_graph, reference_gradients
from engram.memory_cores.loop.packing import Packing
from engram.memory_cores.loop.reference import lstm_loop_reference
from engram.memory_cores.loop.weights import GateWeights


class PackedLSTM(torch.autograd.Function):
    """An LSTM over the segments of a `Packing`, in host memory.

    The input's products and all gradients of weights are one matrix product each over all rows; what is
    left per place is one product with the recurrent weights and a few operations in place. Inside, the
    gates' order is o, i, f, g: the sigmoids are then neighbours, and so are the gates that dc moves. Gradients of
    gradients are those of the plain reference.
    """

    @staticmethod
    def forward(
        ctx: Any,
        packing: Packing,
        is_first: Tensor,
        x: Tensor,
        hidden: Tensor,
        cell: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return hidden and cell states after every row, [B, T, H] each, from `bias` = bias_ih + bias_hh."""
        size = weight_hh.shape[1]
        inputs = (x, hidden, cell, weight_ih, weight_hh, bias)
        weight_ih, weight_hh, bias = (rows.roll(size, 0) for rows in (weight_ih, weight_hh, bias))
        rows_x = packing.pack(x)
        gates = multiply(rows_x, weight_ih, bias)  # [B * T, 4H], in place: the gates' values
        hiddens, cells = packing.begin(hidden), packing.begin(cell)
        tanh_cells = gates.new_empty(len(gates), size)
        views = (gates, gates[:, : 3 * size], *gates.split(size, dim=1), tanh_cells)
        for row, sigmoids, o, i, f, g, tanh_c, h_before, h, c_before, c in zip(
            *map(packing.split, views),
            *packing.split_states(hiddens),
            *packing.split_states(cells),
            strict=True,
        ):
            row.addmm_(h_before, weight_hh.mT)
            sigmoids.sigmoid_()
            torch.mul(f, c_before, out=c).addcmul_(i, g.tanh_())
            torch.mul(o, torch.tanh(c, out=tanh_c), out=h)
        ctx.packing = packing
        ctx.set_materialize_grads(False)
        saved = (rows_x, gates, hiddens, cells, tanh_cells, weight_ih, weight_hh)
        ctx.save_for_backward(is_first, *inputs, *saved)
        after = packing.num_segments
        return packing.unpack(hiddens[after:]), packing.unpack(cells[after:])

    @staticmethod
    def backward(ctx: Any, grad_hiddens: Tensor | None, grad_cells: Tensor | None) -> tuple[Any, ...]:
        """Run the loop in reverse: gradients of a place's gates are factors times its dh and dc."""
        packing: Packing = ctx.packing
        is_first, *inputs = ctx.saved_tensors[:7]
        rows_x, gates, hiddens, cells, tanh_cells, weight_ih, weight_hh = ctx.saved_tensors[7:]
        if needs_graph(grad_hiddens, grad_cells):

            def reference(
                x: Tensor, hidden: Tensor, cell: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor
            ) -> tuple[Tensor, Tensor]:
                weights = GateWeights(weight_ih, weight_hh, bias, torch.zeros_like(bias))
                return lstm_loop_reference(x, is_first, hidden, cell, weights)

            given = (grad_hiddens, grad_cells)
            return None, None, *reference_gradients(reference, inputs, ctx.needs_input_grad[2:], given)
        size = hiddens.shape[1]
        factors, through = _gate_factors(gates, tanh_cells, cells[packing.previous])
        dhs, dcs = packing.begin_gradient(grad_hiddens, hiddens), packing.begin_gradient(grad_cells, cells)
        grads = factors.flatten(1)  # the factors become the gradients, place by place
        views = (grads, factors[:, 0], factors[:, 1:], gates[:, 2 * size : 3 * size], through)
        places = zip(
            *map(packing.split, views), *packing.split_states(dhs), *packing.split_states(dcs), strict=True
        )
        for grad, from_dh, from_dc, f, dc_by_dh, dh_before, dh, dc_before, dc in reversed(list(places)):
            dc.addcmul_(dh, dc_by_dh)
            from_dh.mul_(dh)
            from_dc.mul_(dc.unsqueeze(1))
            dh_before.addmm_(grad, weight_hh)
            dc_before.addcmul_(dc, f)
        return (
            None,
            None,
            packing.unpack(multiply(grads, weight_ih.mT)) if ctx.needs_input_grad[2] else None,
            dhs[packing.carried],
            dcs[packing.carried],
            multiply_transposed(grads, rows_x).roll(-size, 0),
            multiply_transposed(grads, hiddens[packing.previous]).roll(-size, 0),
            grads.sum(0).roll(-size, 0),
        )


def _gate_factors(gates: Tensor, tanh_cells: Tensor, previous_cells: Tensor) -> tuple[Tensor, Tensor]:
    """Compute what turns dh and dc into gradients before the gates' nonlinearities.

    Args:
        gates: Values of o, i, f and g, [N, 4H].
        tanh_cells: tanh(c), [N, H].
        previous_cells: The cell states before each row, [N, H].

    Returns:
        Factors of dh for o and of dc for i, f, g, [N, 4, H]; and of dh in dc, o (1 − tanh²(c)), [N, H].
    """
    o, i, f, g = gates.unflatten(1, (4, -1)).unbind(1)
    factors = torch.empty_like(gates).unflatten(1, (4, -1))
    *sigmoids, tanh = factors.unbind(1)
    for factor, other, gate in zip(sigmoids, (tanh_cells, g, previous_cells), (o, i, f), strict=True):
        torch.mul(other, gate, out=factor).addcmul_(factor, gate, value=-1)  # other · gate (1 − gate)
    torch.mul(i, g, out=tanh)
    torch.addcmul(i, tanh, g, value=-1, out=tanh)  # i (1 − g²)
    through = torch.mul(o, tanh_cells)
    return factors, torch.addcmul(o, through, tanh_cells, value=-1, out=through)
