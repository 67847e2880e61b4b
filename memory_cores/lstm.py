"""Long short-term memory, with resets."""

import torch
from tensordict import TensorDict
from torch import Tensor, nn

from memory_cores.base import MemoryCore, one_of, pack_carry, positive_int, select_initial, take_rows
from memory_cores.card import CoreCard
from memory_cores.loop import lstm_loop

INITS = ("orthogonal", "uniform")


class LSTM(MemoryCore):
    """One LSTM layer. Parameters have the names, shapes and gate order of `torch.nn.LSTM`.

    i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b), c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c').

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output. Default: 256.
        init: "orthogonal": recurrent weights orthogonal gate by gate, biases zero but the forget
            gate's; "uniform": everything from U(±1/√hidden_size) as `torch.nn.LSTM`, and `forget_bias`
            is ignored. Default: "orthogonal".
        forget_bias: Initial bias of the forget gate; 1 makes a new core remember. Default: 1.0.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997; forget bias: Jozefowicz et al.,
    "An empirical exploration of recurrent network architectures", 2015.
    """

    carry_keys = ("hidden", "cell")
    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H))",
        training_cost="O(T H (I + H)); only its O(T H H) recurrent products go row by row",
        horizon="what its gates learn to keep, as far back as gradients reach: one rollout, or `bptt_length`",
        choose_when=(
            "The baseline to beat, robust on most tasks. Not for long rollouts where training time counts: "
            "rows cannot run in parallel."
        ),
    )

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 256,
        init: str = "orthogonal",
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        self.hidden_size = hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        init_gates(self, hidden_size, one_of("init", init, INITS))
        if init == "orthogonal":
            nn.init.constant_(self.bias_ih_l0.data[hidden_size : 2 * hidden_size], forget_bias)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return zeros: `hidden` and `cell`, [B, hidden_size] each."""
        zeros = self.weight_hh_l0.new_zeros(2, batch_size, self.hidden_size)
        return TensorDict({"hidden": zeros[0], "cell": zeros[1]}, batch_size=[batch_size])

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read hidden and cell state, [..., 2 * hidden_size]."""
        return torch.cat([carry["hidden"], carry["cell"]], dim=-1)

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.weight_hh_l0.dtype)
            hiddens, cells = lstm_loop(
                x,
                is_first,
                carry["hidden"],
                carry["cell"],
                self.weight_ih_l0,
                self.weight_hh_l0,
                self.bias_ih_l0,
                self.bias_hh_l0,
                # The last carry alone needs the last cell only, which the faster path gives.
                all_cells=every != 0,
                host_is_first=host_is_first,
            )
        return hiddens, pack_carry(
            is_first, every, hidden=take_rows(hiddens, every), cell=take_rows(cells, every)
        )

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        # The states are small new tensors in any case, so there is nothing to gain from overwriting them.
        hidden = select_initial(is_first, 0.0, carry["hidden"])
        cell = select_initial(is_first, 0.0, carry["cell"])
        with torch.autocast(x.device.type, enabled=False):
            hidden, cell = torch.lstm_cell(
                x.to(hidden.dtype),
                (hidden, cell),
                self.weight_ih_l0,
                self.weight_hh_l0,
                self.bias_ih_l0,
                self.bias_hh_l0,
            )
        return hidden, TensorDict({"hidden": hidden, "cell": cell}, batch_size=carry.batch_size)


def init_gates(module: nn.Module, hidden_size: int, init: str) -> None:
    """Initialise the weights and biases of an LSTM or a GRU, gate by gate.

    Args:
        module: Has `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0` and `bias_hh_l0`.
        hidden_size: Rows of a gate.
        init: "orthogonal" (recurrent weights orthogonal, biases zero) or "uniform" (as torch).
    """
    bound = hidden_size**-0.5
    for name, parameter in module.named_parameters():
        nn.init.uniform_(parameter, -bound, bound)
        if init == "orthogonal" and name.startswith("bias"):
            nn.init.zeros_(parameter)
        if init == "orthogonal" and name == "weight_hh_l0":
            for gate in parameter.data.split(hidden_size):
                nn.init.orthogonal_(gate)
