"""Legendre memory unit: the last rows of one signal, written in Legendre polynomials, beside a nonlinear state."""

import torch
from torch import Tensor, nn

from engram.common.option_types import Positive, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop.wide_layers import WideLinear
from engram.memory_cores.loop_core import LoopCore, States


class LMU(LoopCore):
    """One layer of Legendre memory units.

    u = e_x · x + e_h · h + e_m · m, m' = Ā m + B̄ u, h' = tanh(W_x x + W_h h + W_m m').

    The memory m of the signal u, one number a row, are the coefficients of its last θ rows in the first d Legendre
    polynomials; Ā and B̄ (`legendre_matrices`) are not learnt. The output is h'.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden state h and of the output. Default: 128.
        memory_size: Number of polynomials, d: the memory tells apart what lies about θ / d rows apart. Default: 128.
        theta: Rows that the memory spans, θ. Default: 256.

    Source: Voelker et al., "Legendre memory units: continuous-time representation in recurrent neural networks", 2019.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H + d) + d d), memory of d polynomials",
        training_cost="O(T (H (I + H + d) + d d)); all but the input's products go row by row",
        memory_length="`theta` rows by the memory, which nothing need be learnt for; beyond them as an RNN's",
        choose_when=(
            "How far back counts is known, and one number a row says what to keep. Not where several things must be "
            "kept apart or for longer than `theta` rows: all of the input goes through one signal."
        ),
        shown_by="popgym/repeat_previous_easy",
    )

    transition: Tensor
    write: Tensor

    def __init__(
        self, input_size: Size, hidden_size: Size = 128, memory_size: Size = 128, theta: Positive = 256.0
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.memory_size = memory_size
        # The first rows give the parts of u, the others those of h'.
        self.input = WideLinear(input_size, 1 + hidden_size, bias=False)
        self.recurrent = WideLinear(hidden_size, 1 + hidden_size, bias=False)
        self.encode_memory = WideLinear(memory_size, 1, bias=False)
        self.read_memory = WideLinear(memory_size, hidden_size, bias=False)
        for layer, size in ((self.input, input_size), (self.recurrent, hidden_size)):
            bound = (3 / size) ** 0.5  # an input of unit variance gives u unit variance
            nn.init.uniform_(layer.weight.data[:1], -bound, bound)
            nn.init.xavier_normal_(layer.weight.data[1:])
        nn.init.zeros_(self.encode_memory.weight)
        nn.init.xavier_normal_(self.read_memory.weight)
        transition, write = legendre_matrices(memory_size, theta)
        dtype = self.input.weight.dtype
        self.register_buffer("transition", transition.to(dtype), persistent=False)
        self.register_buffer("write", write.to(dtype), persistent=False)

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, hidden_size], and `memory`, [B, memory_size], zero at first."""
        return {"hidden": Leaf((self.output_size,)), "memory": Leaf((self.memory_size,))}

    def drive(self, x: Tensor) -> Tensor:
        """Compute e_x · x and W_x x, [*, 1 + hidden_size]."""
        return self.input(x)

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Move the memory, then the hidden state; see `RowLoop.row`."""
        hidden, memory = states["hidden"], states["memory"]
        signal, sums = self.recurrent.plus(drive, hidden).split([1, self.output_size], dim=-1)
        signal = self.encode_memory.plus(signal, memory)
        memory = torch.addmm(
            signal * self.write.to(drive.dtype).mT, memory, self.transition.to(drive.dtype).mT
        )
        hidden = self.read_memory.plus(sums, memory).tanh()
        return hidden, {"hidden": hidden, "memory": memory}


def legendre_matrices(size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Discretise the delay line of a window, with inputs held over each row.

    dm/dt = A m + B u, where A_ij = (2i + 1) / θ · (−1 if i < j else (−1)^(i − j + 1)) and B_i = (2i + 1) / θ · (−1)^i.

    Args:
        size: Number of polynomials, d.
        theta: Rows of the window, θ.

    Returns:
        Ā [d, d] and B̄ [d, 1], float64, of [Ā B̄; 0 1] = exp [A B; 0 0].
    """
    index = torch.arange(size, dtype=torch.float64)
    scale, sign = (2 * index + 1) / theta, (-1.0) ** index
    joined = torch.zeros(size + 1, size + 1, dtype=torch.float64)
    joined[:size, :size] = scale.unsqueeze(1) * (
        -torch.outer(sign, sign).tril() - torch.ones(size, size).triu(1)
    )
    joined[:size, size] = scale * sign
    matrix = torch.linalg.matrix_exp(joined)
    return matrix[:size, :size], matrix[:size, size:]
