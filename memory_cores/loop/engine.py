"""Gated recurrences with resets, LSTM and GRU, over whole sequences: the choice of the fastest loop."""

import torch
from torch import Tensor

from engram.common.tracing import is_traced, is_transformed
from engram.common.zero_where import zero_where
from engram.memory_cores.loop.library import cells_from_hiddens, library_gru, library_lstm
from engram.memory_cores.loop.packed_gru import PackedGRU
from engram.memory_cores.loop.packed_lstm import PackedLSTM
from engram.memory_cores.loop.packing import Packing
from engram.memory_cores.loop.reference import gru_loop_reference, lstm_loop_reference
from engram.memory_cores.loop.stretched_lstm import stretched_lstm
from engram.memory_cores.loop.weights import GateWeights
from engram.memory_cores.resets import Resets

MOST_RESETS = 0.125
"""Resets of an environment per row up to which added rows cost less than `PackedLSTM`, as measured."""


def lstm_loop(
    x: Tensor, resets: Resets, hidden: Tensor, cell: Tensor, weights: GateWeights, all_cells: bool = True
) -> tuple[Tensor, Tensor]:
    """Run an LSTM over a sequence; arguments and result are `lstm_loop_reference`'s, but for the resets.

    The fast paths read from `resets.host` where the resets are; without it, and while traced, the reference runs.

    On CUDA: `library_lstm`, and `cells_from_hiddens` where all cells are wanted. In host memory, with few
    resets and finite numbers: `stretched_lstm`, which does not return all cells. Else: `PackedLSTM`.
    """
    is_first, host_is_first = resets
    if is_traced() or host_is_first is None:
        return lstm_loop_reference(x, is_first, hidden, cell, weights, all_cells)
    first = is_first[:, :1]
    hidden, cell = zero_where(first, hidden), zero_where(first, cell)
    if _prefers_library(x):
        hiddens, last_cell = library_lstm(x, host_is_first, hidden, cell, weights)
        if not all_cells:
            return hiddens, last_cell
        return hiddens, cells_from_hiddens(x, is_first, hiddens, hidden, cell, weights)
    later_resets = is_first.clone()
    later_resets[:, 0] = False
    few = int(later_resets.sum(dim=1).max()) <= x.shape[1] * MOST_RESETS
    if few and not all_cells and all_finite(x, hidden, cell):
        return stretched_lstm(x, later_resets, hidden, cell, weights)
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    inputs = (x, hidden, cell, weight_ih, weight_hh, bias_ih + bias_hh)
    hiddens, cells = PackedLSTM.apply(Packing.of(host_is_first), is_first, *inputs)
    return hiddens, cells if all_cells else cells[:, -1:]


def all_finite(*tensors: Tensor) -> bool:
    """Tell whether there is no NaN or Inf in tensors in host memory; a sum that overflows counts as one."""
    with torch.no_grad():
        return all(bool(torch.isfinite(tensor.sum())) for tensor in tensors)


def gru_loop(x: Tensor, resets: Resets, hidden: Tensor, weights: GateWeights) -> Tensor:
    """Run a GRU over a sequence; arguments and result are `gru_loop_reference`'s, or `lstm_loop`'s.

    In host memory `PackedGRU` runs, which is faster there than the library's GRU; on CUDA `library_gru`;
    without `resets.host`, and while traced, the reference.
    """
    is_first, host_is_first = resets
    if is_traced() or host_is_first is None:
        return gru_loop_reference(x, is_first, hidden, weights)
    hidden = zero_where(is_first[:, :1], hidden)
    if _prefers_library(x):
        return library_gru(x, host_is_first, hidden, weights)
    return PackedGRU.apply(Packing.of(host_is_first), is_first, x, hidden, *weights)


def _prefers_library(x: Tensor) -> bool:
    """Tell whether the library's kernels are the fastest with any resets, as they are not in host memory."""
    return x.device.type != "cpu"


def lstm_row(x: Tensor, hidden: Tensor, cell: Tensor, weights: GateWeights) -> tuple[Tensor, Tensor]:
    """Run one row of an LSTM.

    Args:
        x: Inputs, [B, I].
        hidden: Hidden state, [B, H], already reset.
        cell: Cell state, [B, H], already reset.
        weights: Of the LSTM.

    Returns:
        Hidden and cell state after the row, [B, H] each.
    """
    if is_transformed():  # the library's cell has no rule for vmap
        row = x.unsqueeze(1), torch.zeros_like(hidden[:, :1], dtype=torch.bool)
        hiddens, cells = lstm_loop_reference(*row, hidden, cell, weights)
        return hiddens[:, 0], cells[:, 0]
    return torch.lstm_cell(x, (hidden, cell), *weights)


def gru_row(x: Tensor, hidden: Tensor, weights: GateWeights) -> Tensor:
    """Run one row of a GRU as `lstm_row` one of an LSTM; returns the hidden state after it, [B, H]."""
    if is_transformed():
        row = x.unsqueeze(1), torch.zeros_like(hidden[:, :1], dtype=torch.bool)
        return gru_loop_reference(*row, hidden, weights)[:, 0]
    return torch.gru_cell(x, hidden, *weights)
