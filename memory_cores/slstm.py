"""sLSTM, the scalar memory of xLSTM, with resets."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, logsigmoid, silu

from engram.common.checked import require
from engram.common.option_types import Count, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.headwise import HeadwiseLinear
from engram.memory_cores.layered_core import Layer, LayeredCore
from engram.memory_cores.loop_core import LoopLayer, States
from engram.memory_cores.memory import Memory
from engram.memory_cores.short_convolution import ShortConvolution
from engram.memory_cores.time_scales import TimeScale, chrono_bias

InitSLSTM = Literal["chrono", "published"]


class SLSTMCell(LoopLayer):
    """The recurrence, all of it by heads, [B, heads, n]; m is the logarithm of the scale of c and n.

    Its input is that of the gates i and f, and beside it that of z and o, [*, 2 hidden_size].
    """

    def __init__(self, heads: int, size: int) -> None:
        super().__init__()
        self.input_if, self.input_zo = (HeadwiseLinear(heads * size, heads, 2 * size) for _ in range(2))
        self.recurrent = nn.Parameter(torch.zeros(heads, size, 4 * size))
        self.bias = nn.Parameter(torch.zeros(heads, 4 * size))

    def carry_spec(self) -> CarrySpec:
        """State `h`, `c`, `n` and `m`, [B, heads, hidden_size / heads] each, zero at first."""
        return dict.fromkeys(("h", "c", "n", "m"), Leaf(self.recurrent.shape[:2]))

    def drive(self, x: Tensor) -> Tensor:
        """Compute W x + b, gates side by side, [*, heads, 4 hidden_size / heads]."""
        for_if, for_zo = x.chunk(2, dim=-1)
        return torch.cat([self.input_if(for_if), self.input_zo(for_zo)], dim=-1) + self.bias

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Move the states by one row; see `RowLoop.row`."""
        by_head = states["h"].transpose(0, 1), self.recurrent.to(drive.dtype)
        gates = torch.baddbmm(drive.transpose(0, 1), *by_head).transpose(0, 1)
        i, f, z, o = gates.chunk(4, dim=-1)
        # Nothing is kept of a unit that is empty still, whose scale m says nothing.
        scale = (logsigmoid(f) + states["m"]).masked_fill(states["n"] == 0, -torch.inf)
        m = torch.maximum(scale, i)
        keep, write = (scale - m).exp(), (i - m).exp()
        c = torch.addcmul(keep * states["c"], write, z.tanh())
        n = torch.addcmul(write, keep, states["n"])
        h = o.sigmoid() * c / n.clamp(min=1)  # which rows never leave below 1
        return h, {"h": h, "c": c, "n": n, "m": m}


class SLSTMLayer(Layer):
    """The published block: u + sLSTM(LN u), then u + W(GELU(G u) ⊙ V u) of the normalised u.

    Args:
        hidden_size: Width; a multiple of `num_heads`.
        num_heads: Heads, within which units know of each other.
        mlp_size: Width of GELU(G u); None is 1.3 `hidden_size`, rounded up to a multiple of 64.
        place: Of the layer in its stack, and how many it has.
        init: See `SLSTM`.
        max_time_scale: See `SLSTM`.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        mlp_size: int | None,
        place: tuple[int, int],
        init: InitSLSTM,
        max_time_scale: int,
    ) -> None:
        super().__init__()
        size, (index, depth) = hidden_size // num_heads, place
        mlp_size = mlp_size or 64 * math.ceil(1.3 * hidden_size / 64)
        self.norm, self.mlp_norm = (nn.LayerNorm(hidden_size, bias=False) for _ in range(2))
        self.convolution = ShortConvolution(hidden_size)
        self.cell = SLSTMCell(num_heads, size)
        self.head_norm = nn.Parameter(torch.ones(hidden_size))
        self.up = nn.Linear(hidden_size, 2 * mlp_size, bias=False)
        self.down = nn.Linear(mlp_size, hidden_size, bias=False)
        nn.init.normal_(self.up.weight, std=(2 / (5 * hidden_size)) ** 0.5)
        nn.init.normal_(self.down.weight, std=2 / (depth * hidden_size**0.5))
        forget = self.cell.bias.data[:, size : 2 * size]
        if init == "chrono":
            forget.copy_(chrono_bias(hidden_size, max_time_scale).view(num_heads, size))
            nn.init.normal_(self.cell.recurrent, std=0.02)
        else:
            power = 0.3 + 1.3 * index / max(depth - 1, 1)
            forget.copy_(5 - 12 * torch.linspace(0, 1, size) ** power)

    def carry_spec(self) -> CarrySpec:
        """State the inputs of the convolution, and the cell's `h`, `c`, `n` and `m`."""
        return {"convolution": self.convolution.leaf, "cell": self.cell.carry_spec()}

    def forward(self, u: Tensor, memory: Memory) -> Tensor:
        """Run the block; see `Layer.forward`."""
        u = u + self.mix(self.norm(u), memory)
        gate, value = self.up(self.mlp_norm(u)).chunk(2, dim=-1)
        return u + self.down(gelu(gate) * value)

    def mix(self, x: Tensor, memory: Memory) -> Tensor:
        """Mix rows [*, hidden_size] over time: convolution, cell, and a norm of every head's output."""
        convolved = silu(self.convolution(x, memory, "convolution"))
        h = self.cell(torch.cat([convolved, x], dim=-1), memory.at("cell"))
        return layer_norm(h, h.shape[-1:]).flatten(-2) * self.head_norm


class SLSTM(LayeredCore):
    """A stack of xLSTM's blocks with scalar memories, whose exponential gates are kept in bounds by a running maximum.

    i, f, z, o = W x + R h + b, with i and f of x after a short convolution; m' = max(log σ(f) + m, i);
    c' = e^(log σ(f) + m − m') c + e^(i − m') tanh(z); n' = e^(log σ(f) + m − m') n + e^(i − m'); h' = σ(o) c' / n'.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output; a multiple of `num_heads`. Default: 128.
        num_layers: Number of blocks. Default: 2.
        num_heads: Heads; R is block-diagonal, so that units know of those in their own head alone. Default: 4.
        mlp_size: Width of the gated network after the cell. None is 1.3 `hidden_size`, rounded up to a multiple of 64.
            Default: None.
        init: "chrono": the units begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`) in f,
            and R small; "published": biases of f from 5 down to −7, by which most units forget within a few
            rows, and R zero. Default: "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Raises:
        ValueError: `num_heads` does not divide `hidden_size`.

    Source: Beck et al., "xLSTM: extended long short-term memory", 2024, section 2.2; what an empty unit keeps is
    decided for each alone.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(I H + L H (H + H/G)), L layers of G heads",
        training_cost="O(T (I H + L H (H + H/G))); O(T L H H/G) in small products goes row by row",
        memory_length="what its gates learn to keep, as far back as gradients reach, as an LSTM's",
        choose_when=(
            "Decisions on what to overwrite must be revised, and states tracked, which no scan can do: the "
            "exponential gates let a new row outweigh all before. Rows take many small steps: the slowest of the gated "
            "cores."
        ),
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Count = 2,
        num_heads: Count = 4,
        mlp_size: Size | None = None,
        init: InitSLSTM = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        require(
            hidden_size % num_heads == 0,
            "hidden_size",
            f"a multiple of num_heads ({num_heads})",
            hidden_size,
            self,
        )
        layers = [
            SLSTMLayer(hidden_size, num_heads, mlp_size, (index, num_layers), init, max_time_scale)
            for index in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)
