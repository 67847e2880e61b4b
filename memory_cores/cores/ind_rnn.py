"""Independently recurrent networks, with resets: a unit recalls itself alone."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from engram.common.option_types import Count, Size, Whole
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.layered_core import LayeredCore
from engram.memory_cores.loop.wide_layers import WideLinear
from engram.memory_cores.loop_core import LoopLayer, States
from engram.memory_cores.time_scales import TimeScale, chrono_bias

InitIndRNN = Literal["spread", "published"]
BoundLength = Annotated[int, Whole(1, example="1024")] | None


class IndRNNLayer(LoopLayer):
    """h' = relu(W u + b + w ⊙ h); the arguments are `IndRNN`'s."""

    def __init__(
        self, hidden_size: int, init: InitIndRNN, max_time_scale: int, bound_length: int | None
    ) -> None:
        super().__init__()
        self.bound = None if bound_length is None else 2 ** (1 / bound_length)
        self.input = WideLinear(hidden_size, hidden_size)
        self.recurrent = nn.Parameter(torch.rand(hidden_size) * (self.bound or 1.0))
        if init == "spread":
            self.recurrent.data = chrono_bias(hidden_size, max_time_scale).sigmoid()
            # A unit that keeps much takes little of a row, so that all begin equally large.
            self.input.weight.data *= (1 - self.recurrent.data**2).sqrt().unsqueeze(1)
            nn.init.zeros_(self.input.bias)

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, hidden_size], zero at first."""
        return {"hidden": Leaf(self.recurrent.shape)}

    def drive(self, x: Tensor) -> Tensor:
        """Compute W u + b, [*, hidden_size]."""
        return self.input(x)

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Move the state by one row; see `RowLoop.row`."""
        recurrent = self.recurrent.to(drive.dtype)
        if self.bound is not None:
            recurrent = recurrent.clamp(-self.bound, self.bound)
        hidden = torch.addcmul(drive, recurrent, states["hidden"]).relu()
        return hidden, {"hidden": hidden}


class IndRNN(LayeredCore):
    """A stack of layers whose units recall themselves alone: h' = relu(W u + b + w ⊙ h).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 256.
        num_layers: Number of layers; what units know of each other they learn in the next one. Default: 2.
        init: "spread": w = 1 − 1/τ with log τ uniform from log 2 to log `max_time_scale`, and inputs smaller where τ is
            longer; "published": w from U(0, 1), or up to the bound. Default: "spread".
        max_time_scale: Longest time scale in rows, 2 or more, for "spread" alone. Default: 256.
        bound_length: T rows over which a unit may grow twofold at most: |w| is clipped to 2^(1/T). None does not clip.
            Default: None.

    Source: Li et al., "Independently recurrent neural network (IndRNN): building a longer and deeper RNN", 2018.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(I H + L H H), L layers",
        training_cost="O(T (I H + L H H)); only O(T L H) elementwise work goes row by row",
        memory_length="its units' own rates: `max_time_scale` rows at first; they are learnt",
        choose_when=(
            "A loop is wanted at nearly the cost of a scan: no product goes round it, and yet it is not linear. Not "
            "where forgetting must depend on the input: rates are the same whatever comes."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        num_layers: Count = 2,
        init: InitIndRNN = "spread",
        max_time_scale: TimeScale = 256,
        bound_length: BoundLength = None,
    ) -> None:
        layers = [IndRNNLayer(hidden_size, init, max_time_scale, bound_length) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)
