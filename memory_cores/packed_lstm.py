"""The LSTM of whole sequences as one function: a loop over packed rows, its reverse written by hand."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memory_cores.packing import Packing


class PackedLSTM(torch.autograd.Function):
    """An LSTM over the segments of a `Packing`, in host memory.

    The input's products and all gradients of weights are one matrix product each over all rows; what is
    left per row is one product with the recurrent weights and a few operations in place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        packing: Packing,
        x: Tensor,
        hidden: Tensor,
        cell: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return hidden and cell states after every row, [B, T, H] each, from `bias` = bias_ih + bias_hh."""
        size = weight_hh.shape[1]
        rows_x = packing.pack(x)
        gates = torch.addmm(bias, rows_x, weight_ih.mT)  # [B * T, 4H], in place: the gates' values
        hiddens, after_hidden = packing.begin(hidden)
        cells, after_cell = packing.begin(cell)
        tanh_cells = torch.empty_like(after_cell)
        weight = weight_hh.mT
        for now, before in packing.steps():
            gate = gates[now].addmm_(hiddens[before], weight)
            gate[:, : 2 * size].sigmoid_()
            gate[:, 3 * size :].sigmoid_()
            i, f, g, o = gate.split(size, dim=1)
            c = torch.mul(f, cells[before], out=after_cell[now]).addcmul_(i, g.tanh_())
            torch.mul(o, torch.tanh(c, out=tanh_cells[now]), out=after_hidden[now])
        ctx.packing = packing
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(rows_x, gates, hiddens, cells, tanh_cells, weight_ih, weight_hh)
        return packing.unpack(after_hidden), packing.unpack(after_cell)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hiddens: Tensor | None, grad_cells: Tensor | None) -> tuple[Any, ...]:
        """Run the loop in reverse; `previous` rows gather what each row gives to the one before."""
        packing: Packing = ctx.packing
        rows_x, gates, hiddens, cells, tanh_cells, weight_ih, weight_hh = ctx.saved_tensors
        previous_hidden, previous_cell = hiddens[packing.previous], cells[packing.previous]
        factors, through = _gate_factors(gates, tanh_cells, previous_cell)
        forget = gates.unflatten(1, (4, -1))[:, 1]
        all_dh, after_dh = packing.begin_gradient(grad_hiddens, hiddens)
        all_dc, after_dc = packing.begin_gradient(grad_cells, cells)
        grad_gates = factors.flatten(1)  # the factors become the gradients, row by row
        for now, before in reversed(packing.steps()):
            dh, dc, factor = after_dh[now], after_dc[now], factors[now]
            dc.addcmul_(dh, through[now])
            factor[:, :3].mul_(dc.unsqueeze(1))
            factor[:, 3].mul_(dh)
            all_dh[before].addmm_(grad_gates[now], weight_hh)
            all_dc[before].addcmul_(dc, forget[now])
        return (
            None,
            packing.unpack(grad_gates @ weight_ih) if ctx.needs_input_grad[1] else None,
            all_dh[packing.carried],
            all_dc[packing.carried],
            grad_gates.mT @ rows_x,
            grad_gates.mT @ previous_hidden,
            grad_gates.sum(0),
        )


def _gate_factors(gates: Tensor, tanh_cells: Tensor, previous_cells: Tensor) -> tuple[Tensor, Tensor]:
    """Compute what turns dc and dh into gradients before the gates' nonlinearities.

    Args:
        gates: Values of i, f, g and o, [N, 4H].
        tanh_cells: tanh(c), [N, H].
        previous_cells: The cell states before each row, [N, H].

    Returns:
        Factors of dc for i, f, g and of dh for o, [N, 4, H]; and of dh in dc, o (1 − tanh²(c)), [N, H].
    """
    i, f, g, o = gates.unflatten(1, (4, -1)).unbind(1)
    factors = torch.empty_like(gates).unflatten(1, (4, -1))
    for index, (other, gate) in enumerate([(g, i), (previous_cells, f), (i, g), (tanh_cells, o)]):
        # other · gate (1 − gate) for the sigmoids, other (1 − g²) for the tanh
        product = torch.mul(other, gate, out=factors[:, index])
        if index == 2:
            torch.addcmul(other, product, gate, value=-1, out=product)
        else:
            product.addcmul_(product, gate, value=-1)
    through = torch.mul(o, tanh_cells)
    return factors, torch.addcmul(o, through, tanh_cells, value=-1, out=through)
