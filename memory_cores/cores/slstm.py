"""sLSTM, the scalar memory of xLSTM, with resets."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, logsigmoid, silu

from engram.common.checked import require
from engram.common.option_types import Count, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.headwise import HeadwiseLinear
from engram.memory_cores.layered_core import Layer, LayeredCore, ResidualLayer
from engram.memory_cores.loop_core import LoopLayer, States
from engram.memory_cores.memory import Memory
from engram.memory_cores.short_convolution import ShortConvolution, Taps
from engram.memory_cores.time_scales import TimeScale, chrono_bias

InitSLSTM = Literal["chrono", "published"]


class SLSTM(LayeredCore):
    """A stack of xLSTM's blocks with scalar memories: u' = u + sLSTM(LN(u)), and behind it a gated perceptron.

    i, f, z, o = W x + R h + b, with i and f of x after a short convolution; m' = max(log σ(f) + m, i);
    c' = e^(log σ(f) + m − m') c + e^(i − m') tanh(z); n' = e^(log σ(f) + m − m') n + e^(i − m'); h' = σ(o) c' / n'. The
    layer puts out LN(h'), with a norm of each head.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output; a multiple of `num_heads`. Default: 128.
        num_layers: Number of blocks. Default: 2.
        num_heads: Heads; R is block-diagonal, so that units know of those in their own head alone. Default: 4.
        convolution_size: Rows that the short convolution sees. Default: 4.
        mlp_size: Width of the gated perceptron behind the cell. None is 1.3 `hidden_size`, rounded up to a multiple of
            64. Default: None.
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
        shown_by="diagnostic/permutations",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Count = 2,
        num_heads: Count = 4,
        convolution_size: Taps = 4,
        mlp_size: Size | None = None,
        init: InitSLSTM = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        multiple = f"a multiple of num_heads ({num_heads})"
        require(hidden_size % num_heads == 0, "hidden_size", multiple, hidden_size, self)
        options = (hidden_size, num_heads, convolution_size, mlp_size, init, max_time_scale)
        layers = [scalar_block(*options, (index, num_layers)) for index in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)


class ScalarLSTM(Layer):
    """What the block of sLSTM puts beside its residual connection: convolution, cell, and a norm of each head.

    Args:
        hidden_size: Width; a multiple of `num_heads`.
        num_heads: Heads, within which units know of each other.
        convolution_size: Rows that the short convolution sees.
        forget_bias: Initial biases of f, [num_heads, hidden_size / num_heads].
        recurrent_std: Initial standard deviation of R.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        convolution_size: int,
        forget_bias: Tensor,
        recurrent_std: float,
    ) -> None:
        super().__init__()
        size = hidden_size // num_heads
        self.convolution = ShortConvolution(hidden_size, convolution_size)
        self.cell = ScalarCell(num_heads, size)
        self.head_norm = nn.Parameter(torch.ones(hidden_size))
        self.cell.bias.data[:, size : 2 * size] = forget_bias
        nn.init.normal_(self.cell.recurrent, std=recurrent_std)

    def carry_spec(self) -> CarrySpec:
        """State `inputs`, the convolution's, and the cell's `h`, `c`, `n` and `m`."""
        return {"inputs": self.convolution.leaf, "cell": self.cell.carry_spec()}

    def forward(self, u: Tensor, memory: Memory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        convolved = silu(self.convolution(u, memory, "inputs"))
        h = self.cell(torch.cat([convolved, u], dim=-1), memory.at("cell"))
        return layer_norm(h, h.shape[-1:]).flatten(-2) * self.head_norm


def scalar_block(
    hidden_size: int,
    num_heads: int,
    convolution_size: int,
    mlp_size: int | None,
    init: InitSLSTM,
    max_time_scale: int,
    place: tuple[int, int],
) -> ResidualLayer:
    """Make a block of sLSTM; `place` is its index in the stack, and the stack's depth, the others are `SLSTM`'s."""
    size, (index, depth) = hidden_size // num_heads, place
    if init == "chrono":
        forget_bias = chrono_bias(hidden_size, max_time_scale).view(num_heads, size)
    else:
        forget_bias = 5 - 12 * torch.linspace(0, 1, size) ** (0.3 + 1.3 * index / max(depth - 1, 1))
    recurrent_std = 0.02 if init == "chrono" else 0.0
    mixer = ScalarLSTM(hidden_size, num_heads, convolution_size, forget_bias, recurrent_std)
    mlp_size = mlp_size or 64 * math.ceil(1.3 * hidden_size / 64)
    block = ResidualLayer(hidden_size, mixer, mlp_size, gated=True)
    first, last = (part for part in block.modules() if isinstance(part, nn.Linear))
    nn.init.normal_(first.weight, std=(2 / (5 * hidden_size)) ** 0.5)
    # The more layers, the less each adds to their sum.
    nn.init.normal_(last.weight, std=2 / (depth * hidden_size**0.5))
    for part in (first, last):
        nn.init.zeros_(part.bias)
    return block


class ScalarCell(LoopLayer):
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
