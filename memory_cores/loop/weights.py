"""The weights of a gated recurrence, LSTM or GRU: one argument of every loop, and how they begin."""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

Init = Literal["chrono", "orthogonal", "uniform"]


class GateWeights(NamedTuple):
    """Weights and biases of an LSTM or a GRU, in the order in which the library's functions take them.

    The rows of its G gates stand one after the other: an LSTM's are input, forget, cell and output, a GRU's reset,
    update and new.

    Attributes:
        weight_ih: Input weights, [G * H, I].
        weight_hh: Recurrent weights, [G * H, H].
        bias_ih: Bias beside the input, [G * H].
        bias_hh: Bias beside the hidden state, [G * H].
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor


def make_gates(module: nn.Module, gates: int, input_size: int, hidden_size: int, init: Init) -> GateWeights:
    """Give a module the parameters of an LSTM or a GRU, by the names that torch's have.

    Args:
        module: To hold them; it has no other parameters yet.
        gates: Their number, 4 for an LSTM and 3 for a GRU.
        input_size: Width of the input.
        hidden_size: Rows of a gate.
        init: "uniform" (as torch) or another (recurrent weights orthogonal gate by gate, biases zero).

    Returns:
        The parameters.
    """
    rows, bound = gates * hidden_size, hidden_size**-0.5
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih_l0": (rows, input_size),
        "weight_hh_l0": (rows, hidden_size),
        "bias_ih_l0": (rows,),
        "bias_hh_l0": (rows,),
    }
    for name, shape in shapes.items():
        parameter = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        module.register_parameter(name, parameter)
        if init != "uniform" and name.startswith("bias"):
            nn.init.zeros_(parameter)
        if init != "uniform" and name == "weight_hh_l0":
            for gate in parameter.data.split(hidden_size):
                nn.init.orthogonal_(gate)
    return GateWeights(*module.parameters())


def gate_weights(module: Any, dtype: torch.dtype) -> GateWeights:
    """Return what `make_gates` gave a module, in the dtype of its states."""
    parts = (module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0)
    return (
        GateWeights(*parts) if parts[0].dtype == dtype else GateWeights(*(part.to(dtype) for part in parts))
    )
