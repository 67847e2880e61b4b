"""mLSTM, the matrix memory of xLSTM."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

from engram.common.checked import require
from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.headwise import HeadwiseLinear
from engram.memory_cores.layered_core import Layer, LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import to_heads
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory
from engram.memory_cores.short_convolution import ShortConvolution, Taps
from engram.memory_cores.time_scales import TimeScale, even_time_scales

BLOCK_SIZE = 4
"""Channels that a block of the projections of q, k and v mixes, as published."""


class MLSTM(LayeredCore, MatrixCore):
    """A stack of xLSTM's blocks with matrix memories: u' = u + mLSTM(LN(u)), and a perceptron if `mlp_size` is given.

    [r, z] = W u, a = SiLU(conv(r)); q and k are block-diagonal maps of a, v of r, k divided by √(its width); a head's
    gates are i, f = W [q; k; v] + b, and with a running maximum m their memory is

    m' = max(log σ(f) + m, i), F = e^(log σ(f) + m − m'), C' = F C + e^(i − m') k vᵀ, n' = F n + e^(i − m') k,
    h = qᵀ C' / max(|qᵀ n'|, e^−m'). The layer puts out W_o ((LN(h) + s ⊙ a) ⊙ SiLU(z)), with a norm of each head.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of blocks. Default: 2.
        num_heads: Heads of a layer. Default: 4.
        inner_size: Width of all heads together, a multiple of 4 times `num_heads`; published: twice `hidden_size`. The
            state has its square by the number of heads. Default: 128.
        convolution_size: Rows that the short convolution sees. Default: 4.
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron, as published. Default: None.
        init: Forget gates at first: "published", biases from 3 to 6, heads that fade in 21 to 404 rows; "spread": in
            time scales from 2 to `max_time_scale` rows, evenly in their logarithm. Default: "published".
        max_time_scale: Longest time scale in rows, 2 or more, for "spread" alone. Default: 1024.

    Raises:
        ValueError: `inner_size` is no multiple of 4 `num_heads`.

    Source: Beck et al., "xLSTM: extended long short-term memory", 2024, section 2.3 and appendix A.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H N + N²/h)), L layers, h heads, N wide together",
        training_cost="O(T L (H N + N²/h + C N)) in chunks of C rows; only O(T / C) states go one by one",
        memory_length="its gates decide; at first its heads fade in 21 to 404 rows",
        choose_when=(
            "Much must be kept in detail, and what matters stands out when it comes: its input gates are exponential. "
            "Not where the carry must be small (N²/h numbers a layer)."
        ),
        shown_by="diagnostic/recall_pairs",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Size = 2,
        num_heads: Size = 4,
        inner_size: Size = 128,
        convolution_size: Taps = 4,
        mlp_size: Size | None = None,
        init: Literal["published", "spread"] = "published",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        multiple = BLOCK_SIZE * num_heads
        require(inner_size % multiple == 0, "inner_size", f"a multiple of {multiple}", inner_size, self)
        if init == "published":
            forget_bias = torch.linspace(3.0, 6.0, num_heads)
        else:
            forget_bias = torch.log(even_time_scales(num_heads, max_time_scale) - 1)
        layers = [
            ResidualLayer(
                hidden_size,
                MatrixLSTM(hidden_size, inner_size, convolution_size, forget_bias, num_layers),
                mlp_size,
            )
            for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)


class MatrixLSTM(Layer):
    """What the block of mLSTM puts beside its residual connection.

    Args:
        hidden_size: Width of input and output.
        inner_size: Width of all heads together.
        convolution_size: Rows that the short convolution sees.
        forget_bias: Initial biases of the heads' forget gates, [H].
        depth: Number of layers in the stack.
    """

    def __init__(
        self, hidden_size: int, inner_size: int, convolution_size: int, forget_bias: Tensor, depth: int
    ) -> None:
        super().__init__()
        self.num_heads, self.head_size = len(forget_bias), inner_size // len(forget_bias)
        self.up = Linear(hidden_size, 2 * inner_size, bias=False)
        self.convolution = ShortConvolution(inner_size, convolution_size)
        blocks = inner_size // BLOCK_SIZE
        self.query, self.key, self.value = (HeadwiseLinear(inner_size, blocks) for _ in range(3))
        self.gates = Linear(3 * inner_size, 2 * self.num_heads)  # of input, then of forgetting
        self.head_norm = nn.Parameter(torch.ones(inner_size))
        self.skip = nn.Parameter(torch.ones(inner_size))
        self.output = Linear(inner_size, hidden_size, bias=False)
        nn.init.normal_(self.up.weight, std=(2 / (5 * hidden_size)) ** 0.5)
        # The more layers, the less each adds to their sum.
        nn.init.normal_(self.output.weight, std=2 / (depth * hidden_size**0.5))
        nn.init.zeros_(self.gates.weight)
        nn.init.normal_(self.gates.bias[: self.num_heads], std=0.1)
        self.gates.bias.data[self.num_heads :] = forget_bias

    def carry_spec(self) -> CarrySpec:
        """State `matrix` C [B, H, D, D], `normaliser` n [B, H, D], `maximum` m [B, H], and `inputs` of convolution."""
        heads, size = self.num_heads, self.head_size
        return {
            "matrix": Leaf((heads, size, size)),
            "normaliser": Leaf((heads, size)),
            "maximum": Leaf((heads,)),
            "inputs": self.convolution.leaf,
        }

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        raw, gate = self.up(u).chunk(2, dim=-1)
        mixed = silu(self.convolution(raw, memory, "inputs"))
        q, k, v = (
            part(x).flatten(-2) for part, x in ((self.query, mixed), (self.key, mixed), (self.value, raw))
        )
        input_gate, forget_gate = self.gates(torch.cat([q, k, v], dim=-1)).chunk(2, dim=-1)
        q, k, v = (to_heads(part, self.num_heads) for part in (q, k, v))
        keys = ("matrix", "normaliser", "maximum")
        h = memory.exponential_gates(keys, q, k * self.head_size**-0.5, v, input_gate, forget_gate)
        h = layer_norm(h, h.shape[-1:]).flatten(-2).to(u.dtype) * self.head_norm
        return self.output((h + self.skip * mixed) * silu(gate))
