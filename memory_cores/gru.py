"""Gated recurrent unit, with resets."""

import torch
from tensordict import TensorDict
from torch import Tensor, nn

from memory_cores.base import (
    MemoryCore,
    one_of,
    pack_carry,
    positive_int,
    select_initial,
    state_dtype,
    take_rows,
)
from memory_cores.card import CoreCard
from memory_cores.loop import gru_loop, gru_loop_reference
from memory_cores.lstm import INITS, chrono_bias, gate_weights, init_gates
from memory_cores.tracing import is_transformed


class GRU(MemoryCore):
    """One GRU layer. Parameters have the names, shapes and gate order of `torch.nn.GRU`.

    r, z = σ(W x + U h + b), n = tanh(W x + b + r ⊙ (U h + b')), h' = (1 − z) ⊙ n + z ⊙ h.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output. Default: 256.
        init: "orthogonal": recurrent weights orthogonal gate by gate, biases zero; "chrono": the same, but
            the units begin with time scales from 2 to `horizon` rows (`chrono_bias`) in the update gate;
            "uniform": everything from U(±1/√hidden_size) as `torch.nn.GRU`. Default: "chrono".
        horizon: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, in the form of
    cuDNN, where the reset gate acts on U h + b'; chrono: Tallec and Ollivier, "Can recurrent neural networks
    warp time?", 2018.
    """

    carry_keys = ("hidden",)
    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H))",
        training_cost="O(T H (I + H)); only its O(T H H) recurrent products go row by row",
        horizon="what its gates learn to keep, as far back as gradients reach: one rollout, or `bptt_length`",
        choose_when=(
            "As an LSTM, with three quarters of its weights and half of its state; often the best core in "
            "POPGym's published comparison."
        ),
    )

    def __init__(
        self, input_size: int, hidden_size: int = 256, init: str = "chrono", horizon: int = 256
    ) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        self.hidden_size = hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * hidden_size))
        init_gates(self, hidden_size, one_of("init", init, INITS))
        if init == "chrono":
            self.bias_ih_l0.data[hidden_size : 2 * hidden_size] = chrono_bias(hidden_size, horizon)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return zeros: `hidden`, [B, hidden_size]."""
        weight = self.weight_hh_l0
        hidden = weight.new_zeros(batch_size, self.hidden_size, dtype=state_dtype(weight.dtype))
        return TensorDict({"hidden": hidden}, batch_size=[batch_size])

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read the hidden state, [..., hidden_size]."""
        return carry["hidden"]

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        hidden = carry["hidden"]
        with torch.autocast(x.device.type, enabled=False):
            weights = gate_weights(self, hidden.dtype)
            hiddens = gru_loop(x.to(hidden.dtype), is_first, hidden, *weights, host_is_first=host_is_first)
        y = hiddens.to(self.weight_hh_l0.dtype)
        return y, pack_carry(is_first, every, hidden=take_rows(hiddens, every))

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        # The state is a small new tensor in any case, so there is nothing to gain from overwriting it.
        hidden = select_initial(is_first, 0.0, carry["hidden"])
        with torch.autocast(x.device.type, enabled=False):
            x, weights = x.to(hidden.dtype), gate_weights(self, hidden.dtype)
            if is_transformed():  # the library's cell has no rule for vmap
                row = x.unsqueeze(1), torch.zeros_like(is_first).unsqueeze(1)
                hidden = gru_loop_reference(*row, hidden, *weights)[:, 0]
            else:
                hidden = torch.gru_cell(x, hidden, *weights)
        y = hidden.to(self.weight_hh_l0.dtype)
        return y, TensorDict({"hidden": hidden}, batch_size=carry.batch_size)
