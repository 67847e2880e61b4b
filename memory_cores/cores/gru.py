"""Gated recurrent unit, with resets."""

from torch import Tensor

from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop import gru_loop, gru_row
from engram.memory_cores.loop.weights import Init, gate_weights, make_gates
from engram.memory_cores.loop_core import LoopCore, States
from engram.memory_cores.memory import Memory
from engram.memory_cores.time_scales import TimeScale, chrono_bias


class GRU(LoopCore):
    """One GRU layer. Parameters have the names, shapes and gate order of `torch.nn.GRU`.

    r, z = σ(W x + U h + b), n = tanh(W x + b + r ⊙ (U h + b')), h' = (1 − z) ⊙ n + z ⊙ h.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output. Default: 256.
        init: "orthogonal": recurrent weights orthogonal gate by gate, biases zero; "chrono": the same, but
            the units begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`) in the update gate;
            "uniform": everything from U(±1/√hidden_size) as `torch.nn.GRU`. Default: "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, in the form of
    cuDNN, where the reset gate acts on U h + b'; chrono: Tallec and Ollivier, "Can recurrent neural networks
    warp time?", 2018.
    """

    reads_host_resets = True

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H))",
        training_cost="O(T H (I + H)); only its O(T H H) recurrent products go row by row",
        memory_length="what its gates learn to keep, as far back as gradients reach: one rollout, or `bptt_length`",
        choose_when=(
            "An LSTM would do: it has three quarters of its weights and half of its state, and is often the best core "
            "in POPGym's published comparison."
        ),
        shown_by="diagnostic/permutations",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        init: Init = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden_size = hidden_size
        bias = make_gates(self, 3, input_size, hidden_size, init).bias_ih.data
        if init == "chrono":
            bias[hidden_size : 2 * hidden_size] = chrono_bias(hidden_size, max_time_scale)

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, hidden_size], zero at first."""
        return {"hidden": Leaf((self.hidden_size,))}

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Run the library's cell; see `RowLoop.row`."""
        hidden = gru_row(drive, states["hidden"], gate_weights(self, drive.dtype))
        return hidden, {"hidden": hidden}

    def rows(self, drive: Tensor, states: States, memory: Memory, carry_every: int) -> tuple[Tensor, States]:
        """Run the engine's loop; see `RowLoop.rows`."""
        hiddens = gru_loop(drive, memory.resets, states["hidden"], gate_weights(self, drive.dtype))
        return hiddens, {"hidden": hiddens}
