"""Elman's simple recurrent network, with resets."""

from typing import Literal

import torch
from torch import Tensor, nn

from engram.common.dense import linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop.weights import gate_weights, make_gates
from engram.memory_cores.loop_core import LoopCore, States

_NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


class Elman(LoopCore):
    """One layer without any gate. Parameters have the names and shapes of `torch.nn.RNN`.

    h' = tanh(W x + b + U h + b').

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output. Default: 256.
        nonlinearity: "tanh", or "relu". Default: "tanh".
        init: "orthogonal": U orthogonal, biases zero; "identity": the same with U = 1, so that a unit begins as a
            memory of its own; "published": everything from U(±1/√hidden_size) as `torch.nn.RNN`, which forgets within
            a few rows. Default: "orthogonal".

    Source: Elman, "Finding structure in time", 1990; identity: Le, Jaitly and Hinton, "A simple way to initialize
    recurrent networks of rectified linear units", 2015, with relu.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H))",
        training_cost="O(T H (I + H)); only its O(T H H) recurrent products go row by row",
        memory_length="tens of rows: nothing shields what is kept from what comes in",
        choose_when=(
            "It is to be shown what gates are worth: the smallest recurrence there is, strong where states must be "
            "tracked. Not for long horizons."
        ),
        shown_by="diagnostic/parity",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        init: Literal["orthogonal", "identity", "published"] = "orthogonal",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden_size, self.activate = hidden_size, _NONLINEARITIES[nonlinearity]
        weights = make_gates(
            self, 1, input_size, hidden_size, "uniform" if init == "published" else "orthogonal"
        )
        if init == "identity":
            nn.init.eye_(weights.weight_hh)

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, hidden_size], zero at first."""
        return {"hidden": Leaf((self.hidden_size,))}

    def drive(self, x: Tensor) -> Tensor:
        """Compute W x and both biases, [*, hidden_size]."""
        weights = gate_weights(self, x.dtype)
        return linear(x, weights.weight_ih, weights.bias_ih + weights.bias_hh)

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Move the state by one row; see `RowLoop.row`."""
        recurrent = gate_weights(self, drive.dtype).weight_hh
        hidden = self.activate(torch.addmm(drive, states["hidden"], recurrent.mT))
        return hidden, {"hidden": hidden}
