"""Long short-term memory, with resets."""

import torch
from torch import Tensor

from engram.common.option_types import Number, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop import lstm_loop, lstm_row
from engram.memory_cores.loop.weights import Init, gate_weights, make_gates
from engram.memory_cores.loop_core import LoopCore, States
from engram.memory_cores.memory import Memory
from engram.memory_cores.time_scales import TimeScale, chrono_bias


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

    reads_host_resets = True

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H))",
        training_cost="O(T H (I + H)); only its O(T H H) recurrent products go row by row",
        memory_length="what its gates learn to keep, as far back as gradients reach: one rollout, or `bptt_length`",
        choose_when=(
            "A baseline is wanted that is robust on most tasks. Not for long rollouts where training time counts: "
            "rows cannot run in parallel."
        ),
        shown_by="diagnostic/permutations",
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
        bias = make_gates(self, 4, input_size, hidden_size, init).bias_ih.data
        if init == "orthogonal":
            bias[hidden_size : 2 * hidden_size] = forget_bias
        elif init == "chrono":
            forget = chrono_bias(hidden_size, max_time_scale)
            bias[: 2 * hidden_size] = torch.cat([-forget, forget])

    def carry_spec(self) -> CarrySpec:
        """State `hidden` and `cell`, [B, hidden_size] each, zero at first."""
        return {"hidden": Leaf((self.hidden_size,)), "cell": Leaf((self.hidden_size,))}

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Run the library's cell; see `RowLoop.row`."""
        weights = gate_weights(self, drive.dtype)
        hidden, cell = lstm_row(drive, states["hidden"], states["cell"], weights)
        return hidden, {"hidden": hidden, "cell": cell}

    def rows(self, drive: Tensor, states: States, memory: Memory, carry_every: int) -> tuple[Tensor, States]:
        """Run the engine's loop; see `RowLoop.rows`."""
        weights = gate_weights(self, drive.dtype)
        # The last carry alone needs the last cell only, which the faster path gives.
        before = (states["hidden"], states["cell"])
        hiddens, cells = lstm_loop(drive, memory.resets, *before, weights, all_cells=carry_every != 0)
        return hiddens, {"hidden": hiddens, "cell": cells}
