"""The library's LSTM and GRU (cuDNN on CUDA) over sequences with resets, without waiting for the device."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engram.common.dense import linear
from engram.memory_cores.loop.full_precision import FullPrecision, full_precision
from engram.memory_cores.loop.packing import Packing
from engram.memory_cores.loop.reference import gru_loop_reference, lstm_loop_reference
from engram.memory_cores.loop.weights import GateWeights
from engram.memory_cores.scan import linear_scan


def library_lstm(
    x: Tensor, host_is_first: Tensor, hidden: Tensor, cell: Tensor, weights: GateWeights
) -> tuple[Tensor, Tensor]:
    """Run the library's LSTM; resets after row 0 cut the sequences into segments of their own.

    Nothing crosses from one segment to another, so this is selection, NaN and Inf included.

    Args:
        x: Inputs, [B, T, I].
        host_is_first: Whether a row begins an episode, [B, T] bool in host memory.
        hidden: Hidden state before row 0, [B, H], already reset.
        cell: Cell state before row 0, [B, H], already reset.
        weights: Of the LSTM.

    Returns:
        Hidden states after every row, [B, T, H], and the cell state after the last, [B, 1, H]: the library
        keeps the other cells to itself; see `cells_from_hiddens`.
    """

    def reference(
        is_first: Tensor, x: Tensor, hidden: Tensor, cell: Tensor, *parts: Tensor
    ) -> tuple[Tensor, Tensor]:
        hiddens, cells = lstm_loop_reference(x, is_first, hidden, cell, GateWeights(*parts))
        return hiddens, cells[:, -1]

    hiddens, last_cell = _run(torch.lstm, reference, x, host_is_first, (hidden, cell), weights)
    return hiddens, last_cell.unsqueeze(1)


def cells_from_hiddens(
    x: Tensor, is_first: Tensor, hiddens: Tensor, hidden: Tensor, cell: Tensor, weights: GateWeights
) -> Tensor:
    """Compute an LSTM's cell states where the hidden states are known: the gates at once, then a linear scan.

    Args:
        x: Inputs, [B, T, I].
        is_first: Whether a row begins an episode, [B, T] bool.
        hiddens: Hidden states after every row, [B, T, H].
        hidden: Hidden state before row 0, [B, H].
        cell: Cell state before row 0, [B, H].
        weights: Of the LSTM.

    Returns:
        Cell states after every row, [B, T, H].
    """
    size = 3 * hidden.shape[1]  # no output gate
    before = torch.cat([hidden.unsqueeze(1), hiddens[:, :-1]], dim=1)
    before = torch.where(is_first.unsqueeze(-1), 0.0, before)
    weight_ih, weight_hh, bias_ih, bias_hh = (part[:size] for part in weights)
    gates = linear(x, weight_ih, bias_ih) + linear(before, weight_hh, bias_hh)
    i, f, g = gates.chunk(3, dim=-1)
    return linear_scan(f.sigmoid(), i.sigmoid() * g.tanh(), is_first, cell)


def library_gru(x: Tensor, host_is_first: Tensor, hidden: Tensor, weights: GateWeights) -> Tensor:
    """Run the library's GRU as `library_lstm` its LSTM.

    Args:
        x: Inputs, [B, T, I].
        host_is_first: Whether a row begins an episode, [B, T] bool in host memory.
        hidden: Hidden state before row 0, [B, H], already reset.
        weights: Of the GRU.

    Returns:
        Hidden states after every row, [B, T, H].
    """

    def reference(is_first: Tensor, x: Tensor, hidden: Tensor, *parts: Tensor) -> tuple[Tensor, Tensor]:
        hiddens = gru_loop_reference(x, is_first, hidden, GateWeights(*parts))
        return hiddens, hiddens[:, -1]

    return _run(torch.gru, reference, x, host_is_first, (hidden,), weights)[0]


def _run(
    kernel: Callable[..., tuple[Tensor, ...]],
    reference: Callable[..., tuple[Tensor, Tensor]],
    x: Tensor,
    host_is_first: Tensor,
    states: tuple[Tensor, ...],
    weights: GateWeights,
) -> tuple[Tensor, Tensor]:
    """Return the hidden states after every row, [B, T, H], and the last of the states after row T."""
    later_resets = bool(host_is_first[:, 1:].any())
    packing = Packing.of(host_is_first).to(x.device) if later_resets else None

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        states, weights = rest[:-4], rest[-4:]
        # Has biases, layers, dropout, train, both ways.
        options = (True, 1, 0.0, torch.is_grad_enabled(), False)
        if packing is None:
            hiddens, *last = kernel(x, _begin(states), weights, *options, True)
            return hiddens, last[-1][0]
        begun = _begin([packing.begin_segments(state) for state in states])
        sizes = torch.tensor(packing.sizes)  # cuDNN wants them in host memory
        hiddens, *last = kernel(packing.pack(x), sizes, begun, weights, *options)
        return packing.unpack(hiddens), last[-1][0].index_select(0, packing.last)

    if torch.is_grad_enabled():
        hiddens, last = FullPrecision.apply(run, reference, host_is_first, x, *states, *weights)
        return hiddens, last
    with full_precision():
        return run(x, *states, *weights)


def _begin(states: tuple[Tensor, ...] | list[Tensor]) -> Any:
    """Give states the form of the library's: a leading dimension of layers, and a pair or one tensor."""
    layers = tuple(state.contiguous().unsqueeze(0) for state in states)  # cuDNN takes no others
    return layers if len(layers) > 1 else layers[0]
