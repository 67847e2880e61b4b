"""Operations that torch has on CUDA alone, as plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _lstm_cell(
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor,
    bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    gates = inputs + hidden
    if bias is not None and hidden_bias is not None:
        gates = gates + bias + hidden_bias
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    following = f * cell + i * g
    return o * following.tanh(), following, torch.cat([i, f, g, o], 1)


def _lstm_cell_backward(
    grad_hidden: Tensor | None,
    grad_cell: Tensor | None,
    cell: Tensor,
    following: Tensor,
    gates: Tensor,
    has_bias: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    i, f, g, o = gates.chunk(4, 1)
    tanh = following.tanh()
    grad = torch.zeros_like(cell) if grad_cell is None else grad_cell
    if grad_hidden is None:
        grad_o = torch.zeros_like(cell)
    else:
        grad, grad_o = grad + grad_hidden * o * (1 - tanh * tanh), grad_hidden * tanh
    parts = [grad * g * i * (1 - i), grad * cell * f * (1 - f), grad * i * (1 - g * g), grad_o * o * (1 - o)]
    grads = torch.cat(parts, 1)
    return grads, grad * f, grads.sum(0) if has_bias else None


def _gru_cell(
    inputs: Tensor,
    hiddens: Tensor,
    hidden: Tensor,
    bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    if bias is not None and hidden_bias is not None:
        inputs, hiddens = inputs + bias, hiddens + hidden_bias
    input_r, input_z, input_n = inputs.chunk(3, 1)
    hidden_r, hidden_z, hidden_n = hiddens.chunk(3, 1)
    r, z = (input_r + hidden_r).sigmoid(), (input_z + hidden_z).sigmoid()
    n = (input_n + r * hidden_n).tanh()
    return n + z * (hidden - n), torch.cat([r, z, n, hidden, hidden_n], 1)


def _gru_cell_backward(
    grad: Tensor, kept: Tensor, has_bias: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    r, z, n, hidden, hidden_n = kept.chunk(5, 1)
    grad_n = grad * (1 - z) * (1 - n * n)
    grad_r, grad_z = grad_n * hidden_n * r * (1 - r), grad * (hidden - n) * z * (1 - z)
    inputs, hiddens = torch.cat([grad_r, grad_z, grad_n], 1), torch.cat([grad_r, grad_z, grad_n * r], 1)
    biases = (inputs.sum(0), hiddens.sum(0)) if has_bias else (None, None)
    return inputs, hiddens, grad * z, *biases


def _rms_norm_backward(
    grad: Tensor, x: Tensor, shape: list[int], rstd: Tensor, weight: Tensor | None, mask: list[bool]
) -> tuple[Tensor, Tensor | None]:
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    normed, upstream = x.to(dtype) * rstd, grad.to(dtype)
    grad_weight = (
        (upstream * normed).flatten(0, -2).sum(0).to(x.dtype) if mask[1] and weight is not None else None
    )
    scaled = upstream if weight is None else upstream * weight.to(dtype)
    grad_x = rstd * (scaled - normed * (scaled * normed).mean(-1, keepdim=True))
    return grad_x.to(x.dtype), grad_weight


STAND_INS: dict[str, Callable[..., Any]] = {
    "_conj": torch.ops.aten._conj_physical,
    "_neg_view": torch.ops.aten.neg,
    "_thnn_fused_lstm_cell": _lstm_cell,
    "_thnn_fused_lstm_cell_backward_impl": _lstm_cell_backward,
    "_thnn_fused_gru_cell": _gru_cell,
    "_thnn_fused_gru_cell_backward": _gru_cell_backward,
    "_fused_rms_norm_backward": _rms_norm_backward,
}
"""By the operation's name, without its overload."""
