"""S4D: a stack of layers whose every channel has a diagonal state-space model of its own."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from engram.common.checked import require
from engram.common.option_types import Positive, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import Leaf
from engram.memory_cores.layered_core import LayeredCore
from engram.memory_cores.scan_core import Scan, ScanCore
from engram.memory_cores.state_space import (
    Activation,
    Discretization,
    Modes,
    Rule,
    StateSpaceLayer,
    StateSpaceModel,
    interleave,
    unit_deviation,
)
from engram.memory_cores.state_space.hippo import hippo_normal

Init = Literal["lin", "inv", "legs"]


class S4D(LayeredCore, ScanCore):
    """A stack of S4D layers, each u + activation(SSM(norm(u))), whose channels are mixed by the activation alone.

    For each channel of v, with Λ = −exp(α) + iω: h[t] = Ā ⊙ h[t−1] + B̄ v[t], SSM(v)[t] = 2 Re Σ C ⊙ h[t] + D v[t],
    where `discretize` makes Ā and B̄ of Λ, the channel's time step and an input of one.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        state_size: Modes of a channel, N, half of which are stored; published: 64. Default: 16.
        num_layers: Number of layers. Default: 2.
        init: Λ at first, the real parts being −½: "lin", ω = π n; "inv", ω = N/π (N / (2n + 1) − 1); "legs", those of
            the HiPPO matrix, as S5's. Default: "lin".
        discretization: "zoh" or "bilinear". Default: "zoh".
        activation: "full_glu", "half_glu1", "half_glu2" or "gelu", as in `StateSpaceLayer`. Default: "full_glu".
        prenorm: Normalise each layer's input. Default: True.
        postnorm: Normalise each layer's output, with a norm of its own. Default: False.
        dt_min: Smallest initial time step. Default: 0.001.
        dt_max: Largest initial time step. Default: 0.1.
        state_scale: Scale C as if inputs of unit variance gave the states this deviation; None leaves it as published,
            where a single row is hardly heard at first. Default: 1.0.

    Raises:
        ValueError: `state_size` is odd, or `dt_min` above `dt_max`.

    Source: Gu et al., "On the parameterization and initialization of diagonal state space models", 2022.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(I H + L H (H + N)), L layers, N modes a channel",
        training_cost="O(T (I H + L H (H + N))); only O(T L H N) elementwise work goes row by row",
        memory_length="its slowest modes fade by e in 2 / `dt_min` rows at first; rates are learnt",
        choose_when=(
            "S4's line of work is to be compared with: a state of N numbers for every channel, several times S5's, "
            "which costs as much more. S5 and LRU remember as long for less."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        state_size: Size = 16,
        num_layers: Size = 2,
        init: Init = "lin",
        discretization: Discretization = "zoh",
        activation: Activation = "full_glu",
        prenorm: bool = True,
        postnorm: bool = False,
        dt_min: Positive = 0.001,
        dt_max: Positive = 0.1,
        state_scale: Positive | None = 1.0,
    ) -> None:
        require(state_size % 2 == 0, "state_size", "even", state_size, self)
        require(dt_min <= dt_max, "dt_min", f"at most dt_max ({dt_max:g})", dt_min, self)

        def layer() -> StateSpaceLayer:
            ssm = ChannelSSM(hidden_size, state_size, init, discretization, dt_min, dt_max, state_scale)
            return StateSpaceLayer(ssm, hidden_size, activation, prenorm, postnorm)

        super().__init__(input_size, hidden_size, (layer() for _ in range(num_layers)))


class ChannelSSM(StateSpaceModel):
    """The state-space models of one layer's channels; see `S4D`, whose options these are."""

    def __init__(
        self,
        hidden_size: int,
        state_size: int,
        init: Init,
        discretization: Discretization,
        dt_min: float,
        dt_max: float,
        state_scale: float | None,
    ) -> None:
        super().__init__()
        self.rule = Rule(discretization, log_decay=True)
        self.skip = nn.Parameter(torch.randn(hidden_size))
        dtype, shape = self.skip.dtype, (hidden_size, state_size // 2)
        self.log_decay = nn.Parameter(torch.full(shape, math.log(0.5)))
        self.frequency = nn.Parameter(frequencies(state_size, init).to(dtype).repeat(hidden_size, 1))
        self.log_time_step = nn.Parameter(
            torch.empty(hidden_size, 1).uniform_(math.log(dt_min), math.log(dt_max))
        )
        c = torch.randn(shape, dtype=torch.complex64)
        if state_scale is not None:
            with torch.no_grad():
                c = c * state_scale * unit_deviation(*self.modes().transition())
        # C is stored conjugated, real and imaginary parts side by side, so that Re(C h) is a real product.
        self.output_matrix = nn.Parameter(interleave(c.conj()).to(dtype))  # [H, N]

    def modes(self) -> Modes:
        """State α and ω, [hidden_size, N / 2], and the logarithm of the time step, [hidden_size, 1]."""
        return Modes(self.rule, self.log_decay, self.frequency, self.log_time_step)

    def leaf(self) -> Leaf:
        """State the modes, complex [hidden_size, N / 2], zero at first."""
        return Leaf(tuple(self.frequency.shape), "complex")

    def forward(self, u: Tensor, coefficients: tuple[Tensor, Tensor], scan: Scan) -> Tensor:
        """Run rows [*, hidden_size]; see `StateSpaceModel.forward`."""
        a, b = coefficients
        return self.read_states(scan(a, b * u.unsqueeze(-1), self.read_states)).to(u.dtype) + self.skip * u

    def read_states(self, state: Tensor) -> Tensor:
        """Compute 2 Re Σ C ⊙ h, [*, hidden_size]."""
        return 2 * (torch.view_as_real(state).flatten(-2) * self.output_matrix).sum(-1)


def frequencies(state_size: int, init: Init) -> Tensor:
    """Return the imaginary parts that one of each pair of modes begins with, [state_size / 2] float64."""
    index = torch.arange(state_size // 2, dtype=torch.float64)
    if init == "lin":
        return math.pi * index
    if init == "inv":
        return state_size / math.pi * (state_size / (2 * index + 1) - 1)
    return hippo_normal(state_size)[0].imag[state_size // 2 :]
