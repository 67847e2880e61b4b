"""LRU: a stack of linear recurrent units, whose complex modes begin on a ring within the unit circle."""

import torch
from torch import nn

from engram.common.checked import require
from engram.common.option_types import Fraction, Positive, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.layered_core import LayeredCore
from engram.memory_cores.scan_core import ScanCore
from engram.memory_cores.state_space import Activation, DiagonalSSM, Modes, Rule, StateSpaceLayer


class LRU(LayeredCore, ScanCore):
    """A stack of layers u + activation(LRU(norm(u))) around linear recurrent units.

    h[t] = λ ⊙ h[t−1] + exp(γ) ⊙ B v[t], LRU(v)[t] = Re(C h[t]) + D ⊙ v[t], where λ = exp(−exp(ν) + i exp(θ)) has
    modulus below 1 whatever ν is. At first |λ|² is uniform and γ gives every mode the variance of its inputs; γ is
    learnt afterwards.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 256.
        state_size: Complex modes of a layer. Default: 128.
        num_layers: Number of layers. Default: 2.
        activation: "full_glu", "half_glu1", "half_glu2" or "gelu", as in `StateSpaceLayer`. Default: "full_glu".
        prenorm: Normalise each layer's input. Default: True.
        postnorm: Normalise each layer's output, with a norm of its own. Default: False.
        r_min: Smallest initial |λ|: a mode fades by e in 1 / (1 − |λ|) rows. Published: 0, and up to 0.9 for long
            sequences. Default: 0.9.
        r_max: Largest initial |λ|. Published: 1, and from 0.99 to 0.9999 for long sequences. Default: 0.999.
        max_phase: Largest initial angle of λ; small ones keep slow modes from turning. Published: 6.28, and
            down to 0.0628 for long sequences. Default: 0.314.

    Source: Orvieto et al., "Resurrecting recurrent neural networks for long sequences", 2023, section 3.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(I H + L H (H + N)), L layers of N complex modes",
        training_cost="O(T (I H + L H (H + N))); only O(T L N) elementwise work goes row by row",
        memory_length="its slowest modes fade by e in 1 / (1 - `r_max`) rows at first; rates are learnt",
        choose_when=(
            "S5 would do: this is it in fewer words, without time steps or a HiPPO matrix, and every mode is heard "
            "from the start. Not where forgetting must depend on the input."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        state_size: Size = 128,
        num_layers: Size = 2,
        activation: Activation = "full_glu",
        prenorm: bool = True,
        postnorm: bool = False,
        r_min: Fraction = 0.9,
        r_max: Fraction = 0.999,
        max_phase: Positive = 0.314,
    ) -> None:
        require(r_min < r_max, "r_min", f"below r_max ({r_max:g})", r_min, self)

        def layer() -> StateSpaceLayer:
            unit = LinearRecurrentUnit(hidden_size, state_size, r_min, r_max, max_phase)
            return StateSpaceLayer(unit, hidden_size, activation, prenorm, postnorm)

        super().__init__(input_size, hidden_size, (layer() for _ in range(num_layers)))


class LinearRecurrentUnit(DiagonalSSM):
    """The recurrence of one layer; see `LRU`.

    Args:
        hidden_size: Width of input and output.
        state_size: Complex modes.
        r_min: Smallest initial |λ|.
        r_max: Largest initial |λ|.
        max_phase: Largest initial angle of λ.
    """

    def __init__(
        self, hidden_size: int, state_size: int, r_min: float, r_max: float, max_phase: float
    ) -> None:
        b = torch.randn(state_size, hidden_size, dtype=torch.complex64) * hidden_size**-0.5
        c = torch.randn(hidden_size, state_size, dtype=torch.complex64) * (2 / state_size) ** 0.5
        super().__init__(b, c, conj_sym=False)
        dtype = self.skip.dtype
        squared = torch.empty(state_size, dtype=torch.float64).uniform_(r_min**2, r_max**2)
        phase = torch.empty(state_size, dtype=torch.float64).uniform_(0, max_phase)
        self.log_decay = nn.Parameter((-0.5 * squared.log()).log().to(dtype))
        self.log_phase = nn.Parameter(phase.log().to(dtype))
        self.log_scale = nn.Parameter((0.5 * (1 - squared).log()).to(dtype))

    def modes(self) -> Modes:
        """State ν, θ and γ, [N]."""
        return Modes(Rule("exponential"), self.log_decay, self.log_phase, self.log_scale)
