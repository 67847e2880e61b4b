"""Long Expressive Memory, with resets."""

from typing import Literal

import torch
from torch import Tensor

from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop.wide_layers import WideLinear
from engram.memory_cores.loop_core import LoopCore, States
from engram.memory_cores.time_scales import TimeScale, chrono_bias


class LEM(LoopCore):
    """One layer of two states, each with a time step of every unit that is learnt.

    Δ_y, Δ_z = σ(W x + V y + b); z' = (1 − Δ_z) ⊙ z + Δ_z ⊙ tanh(W x + V y + b);
    y' = (1 − Δ_y) ⊙ y + Δ_y ⊙ tanh(W x + V z' + b). The output is y'.

    Args:
        input_size: Width of the input.
        hidden_size: Width of both states and of the output. Default: 256.
        init: "chrono": the units of z begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`) in Δ_z;
            "published": all weights and biases from U(±1/√hidden_size), which halves a state at every row. Default:
            "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Source: Rusch et al., "Long Expressive Memory for sequence modeling", 2022, equation 3, with Δt = 1; chrono: Tallec
    and Ollivier, "Can recurrent neural networks warp time?", 2018.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H))",
        training_cost="O(T H (I + H)); its two O(T H H) recurrent products go row by row",
        memory_length="what its time steps learn to keep, as far back as gradients reach, as a GRU's",
        choose_when=(
            "Signals have several time scales at once; gradients are bounded by design. Two states in turn: a row "
            "takes two products, one after the other, where a GRU's takes one."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        init: Literal["chrono", "published"] = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden_size = hidden_size
        self.input = WideLinear(input_size, 4 * hidden_size)  # Δ_y, Δ_z, z and y, as rows of a matrix
        self.from_y = WideLinear(hidden_size, 3 * hidden_size, bias=False)  # Δ_y, Δ_z and z
        self.from_z = WideLinear(hidden_size, hidden_size, bias=False)  # y
        for parameter in self.parameters():
            parameter.data.uniform_(-(hidden_size**-0.5), hidden_size**-0.5)
        if init == "chrono":
            self.input.bias.data[hidden_size : 2 * hidden_size] = -chrono_bias(hidden_size, max_time_scale)

    def carry_spec(self) -> CarrySpec:
        """State `y` and `z`, [B, hidden_size] each, zero at first."""
        return {"y": Leaf((self.hidden_size,)), "z": Leaf((self.hidden_size,))}

    def drive(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute W x + b: of Δ_y, Δ_z and z, [*, 3 hidden_size], and of y, [*, hidden_size]."""
        gates_and_z, y = self.input(x).split([3 * self.hidden_size, self.hidden_size], dim=-1)
        return gates_and_z, y

    def row(self, drive: tuple[Tensor, Tensor], states: States) -> tuple[Tensor, States]:
        """Move both states by one row; see `RowLoop.row`."""
        y, z = states["y"], states["z"]
        gates, candidate = self.from_y.plus(drive[0], y).split(
            [2 * self.hidden_size, self.hidden_size], dim=-1
        )
        step_y, step_z = gates.sigmoid().chunk(2, dim=-1)
        z = torch.lerp(z, candidate.tanh(), step_z)
        y = torch.lerp(y, self.from_z.plus(drive[1], z).tanh(), step_y)
        return y, {"y": y, "z": z}
