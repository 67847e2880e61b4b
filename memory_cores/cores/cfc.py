"""Closed-form continuous-time network, with resets."""

from typing import Literal

import torch
from torch import Tensor, nn

from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop.wide_layers import WideLinear
from engram.memory_cores.loop_core import LoopCore, States

# LeCun's tanh: a ↦ 1.7159 tanh(0.666 a).
_OUTER, _INNER = 1.7159, 0.666


class CfC(LoopCore):
    """One layer that moves between two candidates, by the closed form of a liquid time-constant network.

    a = φ(W [x; h] + b) with φ LeCun's tanh; f, g = tanh(V a + c), s = σ(V a + c); h' = (1 − s) ⊙ f + s ⊙ g. Rows lie
    one unit of time apart.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the state and of the output. Default: 256.
        backbone_size: Width of a. Default: 256.
        mode: "default"; "no_gate": h' = f + s ⊙ g; "pure": h' = A − A ⊙ exp(−|τ| − |V a + c|) ⊙ (V a + c), with A and
            τ learnt. Default: "default".
        init: "orthogonal": f and g read what W wrote, so that h' is at first near h, turned by an orthogonal matrix;
            "published": Xavier's everywhere, which forgets within a few rows, the only one for "pure". Default:
            "orthogonal".

    Source: Hasani et al., "Closed-form continuous-time neural networks", 2022, with one layer before the candidates.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(U (I + H)), backbones of U units",
        training_cost="O(T U (I + H)); all but the input's product go row by row, in two products in turn",
        memory_length="tens of rows: no gate of it keeps what it holds as it is",
        choose_when=(
            "Signals are smooth, as in continuous control, and liquid networks are what it is compared with. Not for "
            "long horizons: as published it is an LSTM's addition that remembers."
        ),
        shown_by="popgym/noisy_position_only_pendulum_easy",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        backbone_size: Size = 256,
        mode: Literal["default", "no_gate", "pure"] = "default",
        init: Literal["orthogonal", "published"] = "orthogonal",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden_size, self.mode = hidden_size, mode
        heads = 1 if mode == "pure" else 3  # f, g and s
        self.input = WideLinear(input_size, backbone_size)
        self.recurrent = WideLinear(hidden_size, backbone_size, bias=False)
        self.heads = WideLinear(backbone_size, heads * hidden_size)
        if mode == "pure":
            self.rate, self.asymptote = (nn.Parameter(torch.empty(1, hidden_size)) for _ in range(2))
            nn.init.xavier_uniform_(self.rate)
            nn.init.xavier_uniform_(self.asymptote)
        bound = (6 / (input_size + hidden_size + backbone_size)) ** 0.5
        for weight in (self.input.weight, self.recurrent.weight):
            nn.init.uniform_(weight, -bound, bound)
        for weight in self.heads.weight.data.split(hidden_size):
            nn.init.xavier_uniform_(weight)
        if init == "orthogonal" and mode != "pure":
            nn.init.orthogonal_(self.recurrent.weight)
            # Turned, since what every row brings would else add up to a saturated state.
            turn = nn.init.orthogonal_(torch.empty(hidden_size, hidden_size))
            for weight in self.heads.weight.data.split(hidden_size)[:2]:
                weight.copy_(turn @ self.recurrent.weight.data.mT / (_OUTER * _INNER))
            nn.init.zeros_(self.input.bias)
            nn.init.zeros_(self.heads.bias)

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, hidden_size], zero at first."""
        return {"hidden": Leaf((self.hidden_size,))}

    def drive(self, x: Tensor) -> Tensor:
        """Compute W x + b within φ, [*, backbone_size]."""
        return _INNER * self.input(x)

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Move the state by one row; see `RowLoop.row`."""
        a = self.recurrent.plus(drive, states["hidden"], _INNER).tanh()
        heads = self.heads.plus(self.heads.bias.to(a.dtype), a, _OUTER)
        if self.mode == "pure":
            asymptote, rate = self.asymptote.to(a.dtype), self.rate.to(a.dtype)
            hidden = asymptote - asymptote * (-rate.abs() - heads.abs()).exp() * heads
        else:
            candidates, gate = heads.split([2 * self.hidden_size, self.hidden_size], dim=-1)
            (f, g), s = candidates.tanh().chunk(2, dim=-1), gate.sigmoid()
            hidden = torch.lerp(f, g, s) if self.mode == "default" else torch.addcmul(f, s, g)
        return hidden, {"hidden": hidden}
