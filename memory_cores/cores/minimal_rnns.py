"""The minimal versions of GRU and LSTM: their gates see the input alone, so that a scan runs them."""

from abc import abstractmethod
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from engram.common.dense import Linear
from engram.common.option_types import Positive, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, state_dtype
from engram.memory_cores.scan_core import ScanCore, ScanMemory
from engram.memory_cores.time_scales import TimeScale, chrono_bias

Candidate = Literal["linear", "positive"]
Init = Literal["chrono", "published"]


class MinimalRNN(ScanCore):
    """h' = f ⊙ h + (1 − f) ⊙ g(V x), where f = σ(`keep`) sees the input alone.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output.
        num_gates: Gates whose pre-activations W x + b a subclass makes f of.
        candidate: "linear": g(v) = v; "positive": g(v) = v + ½ where v ≥ 0, else σ(v).
        gate_gain: Multiplies the initial W, which is drawn as that of a `torch.nn.Linear`.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_gates: int, candidate: Candidate, gate_gain: float
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.candidate = candidate
        self.gates = Linear(input_size, num_gates * hidden_size)
        self.value = Linear(input_size, hidden_size)
        self.gates.weight.data.mul_(gate_gain)

    @abstractmethod
    def keep(self, gates: Tensor) -> Tensor:
        """Compute the logit of f, [*, hidden_size], from the gates' pre-activations, [*, num_gates * hidden_size]."""

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, hidden_size], zero at first."""
        return {"hidden": Leaf((self.output_size,))}

    def equations(self, x: Tensor, memory: ScanMemory) -> Tensor:
        """Run h' = f ⊙ h + (1 − f) ⊙ g(V x); see the class."""
        gates, value = self.gates(x), self.value(x)
        # In half precision a gate that keeps for 256 rows would be rounded to one that keeps for ever.
        dtype = state_dtype(gates.dtype)
        keep, value = self.keep(gates.to(dtype)), value.to(dtype)
        if self.candidate == "positive":
            value = torch.where(value >= 0, value + 0.5, value.sigmoid())
        return memory.scan("hidden", keep.sigmoid(), (-keep).sigmoid() * value)


class MinGRU(MinimalRNN):
    """One minGRU layer: a GRU without a reset gate, whose update gate and candidate see the input alone.

    z = σ(W x + b), h' = (1 − z) ⊙ h + z ⊙ g(V x + c).

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output. Default: 256.
        candidate: "linear": g(v) = v; "positive": g(v) = v + ½ where v ≥ 0, else σ(v), as published for a scan over
            logarithms, which the scan here needs not. An episode begins with h = 0 either way. Default: "linear".
        init: "chrono": units begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`) in the update
            gate, whose weights are multiplied by `gate_gain`; "published": as `torch.nn.Linear`, which forgets within
            a few rows. Default: "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.
        gate_gain: So large that slow units take in some rows and not others from the start, for "chrono" alone.
            Default: 10.0.

    Source: Feng et al., "Were RNNs all we needed?", 2024, section 3.1.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(I H)",
        training_cost="O(T I H); only O(T H) elementwise work goes row by row",
        memory_length="what its gates keep: `max_time_scale` rows at first, for ever where one learns to close",
        choose_when=(
            "The input alone can choose what to keep: the cheapest core that does; in a `stack` where one layer is "
            "too little. Not where what is kept must depend on what is known already."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        candidate: Candidate = "linear",
        init: Init = "chrono",
        max_time_scale: TimeScale = 256,
        gate_gain: Positive = 10.0,
    ) -> None:
        super().__init__(input_size, hidden_size, 1, candidate, gate_gain if init == "chrono" else 1.0)
        if init == "chrono":
            self.gates.bias.data = -chrono_bias(hidden_size, max_time_scale)

    def keep(self, gates: Tensor) -> Tensor:
        """Compute the logit of 1 − z."""
        return -gates


class MinLSTM(MinimalRNN):
    """One minLSTM layer: an LSTM without an output gate, whose gates see the input alone and sum to one.

    f = σ(W x + b), i = σ(W' x + b'), h' = (f ⊙ h + i ⊙ g(V x + c)) / (f + i).

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state and of the output. Default: 256.
        candidate: As of `MinGRU`. Default: "linear".
        init: "chrono": units begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`) in the forget gate
            and their opposites in the input gate, and the weights of both are multiplied by `gate_gain`; "published":
            as `torch.nn.Linear`, which forgets within a few rows. Default: "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.
        gate_gain: As of `MinGRU`. Default: 10.0.

    Source: Feng et al., "Were RNNs all we needed?", 2024, section 3.2.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(I H)",
        training_cost="O(T I H); only O(T H) elementwise work goes row by row",
        memory_length="what its gates keep: `max_time_scale` rows at first, for ever where one learns to close",
        choose_when="minGRU would do, but for a gate of its own for writing; half as costly again.",
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        candidate: Candidate = "linear",
        init: Init = "chrono",
        max_time_scale: TimeScale = 256,
        gate_gain: Positive = 10.0,
    ) -> None:
        super().__init__(input_size, hidden_size, 2, candidate, gate_gain if init == "chrono" else 1.0)
        if init == "chrono":
            forget = chrono_bias(hidden_size, max_time_scale)
            self.gates.bias.data = torch.cat([forget, -forget])

    def keep(self, gates: Tensor) -> Tensor:
        """Compute the logit of f / (f + i) in logarithms: of two closed gates the quotient itself is 0 / 0."""
        forget, write = logsigmoid(gates).chunk(2, dim=-1)
        return forget - write
