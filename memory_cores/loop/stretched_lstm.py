"""The library's LSTM over sequences with few resets: a reset becomes one more row that forgets everything."""

import torch
from torch import Tensor

from engram.memory_cores.loop.weights import GateWeights

SATURATED = 1e6
"""Added to a gate before its sigmoid, makes it exactly 0 or 1 whatever the weights say; or the dtype's largest."""


def stretched_lstm(
    x: Tensor, later_resets: Tensor, hidden: Tensor, cell: Tensor, weights: GateWeights
) -> tuple[Tensor, Tensor]:
    """Run the library's fused LSTM with resets after row 0, in host memory.

    Before each reset a row is put in whose input, forget and output gates are 0: its states are exactly
    zero, those an episode begins with, and no gradient passes it. At the end of the shorter sequences are
    rows that hold the cell (forget gate 1, the others 0). Two more columns of input drive these gates.

    As long as x and the states are finite, 0 times them is 0 and this is the same as selection. It is not
    if they are not, so the caller must have checked them.

    Args:
        x: Inputs, [B, T, I], finite.
        later_resets: Where episodes begin, [B, T] bool, false in row 0.
        hidden: Hidden state before row 0, [B, H], finite and already reset.
        cell: Cell state before row 0, [B, H], finite and already reset.
        weights: Of the LSTM.

    Returns:
        Hidden states after every row, [B, T, H], and the cell state after the last, [B, 1, H].
    """
    shift = later_resets.cumsum(dim=1)
    added = int(shift[:, -1].max())
    if added:
        batch, length = later_resets.shape
        first_row = (torch.arange(batch) * (length + added)).unsqueeze(1)
        place = first_row + torch.arange(length) + shift  # of each row, in all sequences one after the other
        control = x.new_tensor([0.0, 1.0]).repeat(batch * (length + added), 1)  # columns: forget, hold
        control[place.flatten()] = 0.0
        control[place[later_resets] - 1] = x.new_tensor([1.0, 0.0])
        rows = x.new_zeros(len(control), x.shape[2]).index_copy(0, place.flatten(), x.flatten(0, 1))
        x = torch.cat([rows, control], dim=1).unflatten(0, (batch, -1))
        saturated = min(SATURATED, torch.finfo(x.dtype).max)
        drive = x.new_full((4, hidden.shape[1], 2), -saturated)  # of input, forget, cell and output gate
        drive[1, :, 1] = saturated
        drive[2] = 0.0
        weights = weights._replace(weight_ih=torch.cat([weights.weight_ih, drive.flatten(0, 1)], dim=1))
    states = (hidden.unsqueeze(0), cell.unsqueeze(0))
    hiddens, _, last_cell = torch.lstm(x, states, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)
    if added:
        hiddens = hiddens.flatten(0, 1).index_select(0, place.flatten()).unflatten(0, (batch, -1))
    return hiddens, last_cell[0].unsqueeze(1)
