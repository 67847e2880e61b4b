"""Long short-term memory, with resets."""

import math
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from engram.common.option_types import Number, Size, Whole
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop import lstm_loop, lstm_row
from engram.memory_cores.loop_core import LoopCore, States
from engram.memory_cores.memory import Memory

Init = Literal["chrono", "orthogonal", "uniform"]
TimeScale = Annotated[int, Whole(2, example="256")]


class LSTM(LoopCore):
    """One LSTM layer. Parameters have the names, shapes and gate order of `torch.nn.LSTM`.

    i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b), c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c').

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output. Default: 256.
        init: "orthogonal": recurrent weights orthogonal gate by gate, biases zero but the forget
            gate's, which is `forget_bias`; "chrono": the same, but the units begin with time scales
            from 2 to `max_time_scale` rows (`chrono_bias`) in the forget gate and their opposites in the input
            gate; "uniform": everything from U(±1/√hidden_size) as `torch.nn.LSTM`. Default: "chrono".
        forget_bias: Initial bias of the forget gate, for "orthogonal" alone. Default: 1.0.
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997; forget bias: Jozefowicz et al.,
    "An empirical exploration of recurrent network architectures", 2015; chrono: Tallec and Ollivier, "Can
    recurrent neural networks warp time?", 2018.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H))",
        training_cost="O(T H (I + H)); only its O(T H H) recurrent products go row by row",
        memory_length="what its gates learn to keep, as far back as gradients reach: one rollout, or `bptt_length`",
        choose_when=(
            "The baseline to beat, robust on most tasks. Not for long rollouts where training time counts: "
            "rows cannot run in parallel."
        ),
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        init: Init = "chrono",
        forget_bias: Number = 1.0,
        max_time_scale: TimeScale = 256,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden_size = hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        init_gates(self, hidden_size, init)
        if init == "orthogonal":
            nn.init.constant_(self.bias_ih_l0.data[hidden_size : 2 * hidden_size], forget_bias)
        elif init == "chrono":
            bias = chrono_bias(hidden_size, max_time_scale)
            self.bias_ih_l0.data[: 2 * hidden_size] = torch.cat([-bias, bias])

    def carry_spec(self) -> CarrySpec:
        """State `hidden` and `cell`, [B, hidden_size] each, zero at first."""
        return {"hidden": Leaf((self.hidden_size,)), "cell": Leaf((self.hidden_size,))}

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Run the library's cell; see `LoopCore.row`."""
        weights = gate_weights(self, drive.dtype)
        hidden, cell = lstm_row(drive, states["hidden"], states["cell"], weights)
        return hidden, {"hidden": hidden, "cell": cell}

    def rows(self, drive: Tensor, states: States, memory: Memory, carry_every: int) -> tuple[Tensor, States]:
        """Run the engine's loop; see `LoopCore.rows`."""
        weights = gate_weights(self, drive.dtype)
        # The last carry alone needs the last cell only, which the faster path gives.
        before = (states["hidden"], states["cell"])
        hiddens, cells = lstm_loop(drive, memory.resets, *before, *weights, all_cells=carry_every != 0)
        return hiddens, {"hidden": hiddens, "cell": cells}


def gate_weights(module: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weights and biases of an LSTM or a GRU in the dtype of its states.

    Args:
        module: As for `init_gates`.
        dtype: Of the states.
    """
    weights = (module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0)
    if weights[0].dtype == dtype:
        return weights
    weight_ih, weight_hh, bias_ih, bias_hh = (weight.to(dtype) for weight in weights)
    return weight_ih, weight_hh, bias_ih, bias_hh


def init_gates(module: nn.Module, hidden_size: int, init: Init) -> None:
    """Initialise the weights and biases of an LSTM or a GRU, gate by gate.

    Args:
        module: Has `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0` and `bias_hh_l0`.
        hidden_size: Rows of a gate.
        init: "uniform" (as torch) or another (recurrent weights orthogonal, biases zero).
    """
    bound = hidden_size**-0.5
    for name, parameter in module.named_parameters():
        nn.init.uniform_(parameter, -bound, bound)
        if init != "uniform" and name.startswith("bias"):
            nn.init.zeros_(parameter)
        if init != "uniform" and name == "weight_hh_l0":
            for gate in parameter.data.split(hidden_size):
                nn.init.orthogonal_(gate)


def chrono_bias(hidden_size: int, max_time_scale: int) -> Tensor:
    """Draw biases of a gate σ that keeps a unit's content, so that it fades in τ rows: σ(bias) = 1 − 1 / τ.

    log τ is uniform from log 2 to log `max_time_scale`. The source draws τ itself uniformly, which leaves few units
    with short time scales: that made both gated cores slower to learn where little is to be remembered.

    Args:
        hidden_size: Number of units.
        max_time_scale: Longest time scale in rows, 2 or more.

    Returns:
        Biases, [hidden_size].

    Source: Tallec and Ollivier, "Can recurrent neural networks warp time?", 2018, equation 16.
    """
    log_time_scale = torch.empty(hidden_size).uniform_(math.log(2), math.log(max_time_scale))
    return torch.expm1(log_time_scale).log()
