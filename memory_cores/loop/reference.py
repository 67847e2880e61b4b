"""Gated recurrences with resets, LSTM and GRU, as plain loops: what every fast path must equal."""

import torch
from torch import Tensor

from engram.common.dense import linear
from engram.memory_cores.loop.weights import GateWeights


def lstm_loop_reference(
    x: Tensor, is_first: Tensor, hidden: Tensor, cell: Tensor, weights: GateWeights, all_cells: bool = True
) -> tuple[Tensor, Tensor]:
    """Run an LSTM over a sequence, one row after the other; an episode begins with zeros.

    Args:
        x: Inputs, [B, T, I].
        is_first: Whether a row begins an episode, [B, T] bool.
        hidden: Hidden state before row 0, [B, H].
        cell: Cell state before row 0, [B, H].
        weights: Of the LSTM.
        all_cells: Whether the cell states of all rows are wanted. Default: True.

    Returns:
        Hidden states after every row, [B, T, H], and cell states after every row or, without
        `all_cells`, after the last one, [B, 1, H].
    """
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    projected = linear(x, weight_ih, bias_ih)  # [B, T, 4H]
    hiddens, cells = [], []
    for gates_t, first_t in zip(projected.unbind(1), is_first.unsqueeze(-1).unbind(1), strict=True):
        hidden, cell = torch.where(first_t, 0.0, hidden), torch.where(first_t, 0.0, cell)
        i, f, g, o = (gates_t + linear(hidden, weight_hh, bias_hh)).chunk(4, dim=-1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        hiddens.append(hidden)
        cells.append(cell)
    return torch.stack(hiddens, dim=1), torch.stack(cells if all_cells else cells[-1:], dim=1)


def gru_loop_reference(x: Tensor, is_first: Tensor, hidden: Tensor, weights: GateWeights) -> Tensor:
    """Run a GRU over a sequence, one row after the other; an episode begins with zeros.

    Args:
        x: Inputs, [B, T, I].
        is_first: Whether a row begins an episode, [B, T] bool.
        hidden: Hidden state before row 0, [B, H].
        weights: Of the GRU.

    Returns:
        Hidden states after every row, [B, T, H].
    """
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    projected = linear(x, weight_ih, bias_ih)  # [B, T, 3H]
    hiddens = []
    for gates_t, first_t in zip(projected.unbind(1), is_first.unsqueeze(-1).unbind(1), strict=True):
        hidden = torch.where(first_t, 0.0, hidden)
        input_r, input_z, input_n = gates_t.chunk(3, dim=-1)
        hidden_r, hidden_z, hidden_n = linear(hidden, weight_hh, bias_hh).chunk(3, dim=-1)
        r, z = (input_r + hidden_r).sigmoid(), (input_z + hidden_z).sigmoid()
        n = (input_n + r * hidden_n).tanh()
        hidden = n + z * (hidden - n)
        hiddens.append(hidden)
    return torch.stack(hiddens, dim=1)
