"""The GRU of whole sequences as one function: a loop over packed rows, its reverse written by hand."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memory_cores.packing import Packing


class PackedGRU(torch.autograd.Function):
    """A GRU over the segments of a `Packing`, in host memory; the plan is that of `PackedLSTM`.

    Four values are kept for each row, in the order m, r, z, n with m = U_n h + b_n: the gradients of the
    first three are those of the recurrent products, the last three those of the input's.
    """

    @staticmethod
    def forward(
        ctx: Any,
        packing: Packing,
        x: Tensor,
        hidden: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> Tensor:
        """Return the hidden states after every row, [B, T, H]."""
        size = weight_hh.shape[1]
        rows_x = packing.pack(x)
        values = rows_x.new_empty(len(rows_x), 4 * size)
        values[:, :size] = bias_hh[2 * size :]
        bias = torch.cat([bias_ih[: 2 * size] + bias_hh[: 2 * size], bias_ih[2 * size :]])
        torch.addmm(bias, rows_x, weight_ih.mT, out=values[:, size:])
        weight = _new_gate_first(weight_hh, size)
        hiddens, after = packing.begin(hidden)
        for now, before in packing.steps():
            value, previous = values[now], hiddens[before]
            value[:, : 3 * size].addmm_(previous, weight.mT)
            value[:, size : 3 * size].sigmoid_()
            m, r, z, n = value.split(size, dim=1)
            torch.lerp(n.addcmul_(r, m).tanh_(), previous, z, out=after[now])
        ctx.packing = packing
        ctx.save_for_backward(rows_x, values, hiddens, weight_ih, weight)
        return packing.unpack(after)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hiddens: Tensor) -> tuple[Any, ...]:
        """Run the loop in reverse: every gradient of a row is a factor times its dh."""
        packing: Packing = ctx.packing
        rows_x, values, hiddens, weight_ih, weight = ctx.saved_tensors
        size = hiddens.shape[1]
        previous_hidden = hiddens[packing.previous]
        factors = _gate_factors(values, previous_hidden)
        keep = values.unflatten(1, (4, -1))[:, 2]
        all_dh, after_dh = packing.begin_gradient(grad_hiddens, hiddens)
        grads = factors.flatten(1)  # the factors become the gradients, row by row
        for now, before in reversed(packing.steps()):
            dh = after_dh[now]
            factors[now].mul_(dh.unsqueeze(1))
            all_dh[before].addmm_(grads[now, : 3 * size], weight).addcmul_(dh, keep[now])
        from_input, from_hidden = grads[:, size:], grads[:, : 3 * size]
        return (
            None,
            packing.unpack(from_input @ weight_ih) if ctx.needs_input_grad[1] else None,
            all_dh[packing.carried],
            from_input.mT @ rows_x,
            _new_gate_last(from_hidden.mT @ previous_hidden, size),
            from_input.sum(0),
            _new_gate_last(from_hidden.sum(0), size),
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


def _new_gate_first(rows: Tensor, size: int) -> Tensor:
    """Reorder rows r, z, n to n, r, z."""
    return torch.cat([rows[2 * size :], rows[: 2 * size]])


def _new_gate_last(rows: Tensor, size: int) -> Tensor:
    """Reorder rows n, r, z to r, z, n."""
    return torch.cat([rows[size:], rows[:size]])
