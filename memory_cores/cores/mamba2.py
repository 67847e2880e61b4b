"""Mamba-2: heads of selective state spaces, whose steps in time depend on the row."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu, softplus

from engram.common.checked import require
from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, state_dtype
from engram.memory_cores.layered_core import Layer, LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import to_heads
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory
from engram.memory_cores.short_convolution import ShortConvolution, Taps
from engram.memory_cores.time_scales import TimeScale, even_time_scales, inverse_softplus


class Mamba2(LayeredCore, MatrixCore):
    """Layers of Mamba-2: u' = u + Mixer(LN(u)).

    [z, v, B, C, d] = W x, and v, B, C go through a short convolution and SiLU. With steps Δ = softplus(d + b) of the
    heads: S' = exp(−A Δ) S + B (Δ v)ᵀ, y = Cᵀ S' + D v, and the mixer puts out W_o RMSNorm(y ⊙ SiLU(z)), where the
    heads of a group share B and C and are normalised together.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        inner_size: Width of v and z, of all heads together; a multiple of `num_heads`. Default: 256.
        num_heads: Heads of a layer, a multiple of `num_groups`. Default: 8.
        state_size: Width of B and C, N. Default: 16.
        num_groups: Groups of heads with a B and C of their own. Default: 1.
        convolution_size: Rows that the short convolution sees. Default: 4.
        init: "spread": heads begin with time scales τ from 2 to `max_time_scale` rows, evenly in their logarithm, and
            Δ = A = 1 / √τ, with which all states are about as large; "published": A uniform from 1 to 16 and log Δ
            uniform from log 0.001 to log 0.1, time scales of 1 to 1000 rows, half of them below 14. Default: "spread".
        max_time_scale: Longest initial time scale in rows, for "spread" alone. Default: 1024.

    Source: Dao and Gu, "Transformers are SSMs: generalized models and efficient algorithms through structured state
    space duality", 2024, sections 5 to 7.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H U + U N)), L layers, inner width U, states of N",
        training_cost="O(T L (H U + U (N + C))) in chunks of C rows; only O(T / C) states go one by one",
        memory_length="`max_time_scale` rows at first, in its slowest head; each row says how much time passes",
        choose_when=(
            "The selective state-space model that others are compared with is wanted: each row says how much time "
            "passes for its heads. Not where one of many things must be replaced alone, or parity be kept."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Size = 2,
        inner_size: Size = 256,
        num_heads: Size = 8,
        state_size: Size = 16,
        num_groups: Size = 1,
        convolution_size: Taps = 4,
        init: Literal["spread", "published"] = "spread",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        multiple = f"a multiple of num_heads ({num_heads})"
        require(inner_size % num_heads == 0, "inner_size", multiple, inner_size, self)
        multiple = f"a multiple of num_groups ({num_groups})"
        require(num_heads % num_groups == 0, "num_heads", multiple, num_heads, self)
        longest = max_time_scale if init == "spread" else None
        layers = []
        for _ in range(num_layers):
            rates, steps = rates_and_steps(num_heads, longest)
            sizes = hidden_size, inner_size, state_size, num_groups, convolution_size
            layers.append(ResidualLayer(hidden_size, Mixer(*sizes, rates, steps)))
        super().__init__(input_size, hidden_size, layers)


def rates_and_steps(num_heads: int, max_time_scale: int | None) -> tuple[Tensor, Tensor]:
    """Return A and Δ of the heads at first, spread up to the time scale or, for None, as published; [H] each."""
    if max_time_scale is None:
        log_step = torch.empty(num_heads).uniform_(-3, -1) * torch.log(torch.tensor(10.0))
        return torch.empty(num_heads).uniform_(1, 16), log_step.exp()
    step = even_time_scales(num_heads, max_time_scale).rsqrt().float()
    return step, step


class Mixer(Layer):
    """What the block of Mamba-2 puts beside its residual connection; the sizes are those of `Mamba2`.

    Args:
        hidden_size: Width of input and output.
        inner_size: Width of all heads together.
        state_size: N.
        num_groups: G.
        convolution_size: Rows that the short convolution sees.
        rates: A of the heads at first, [H].
        steps: Δ of the heads at first, [H].
    """

    def __init__(
        self,
        hidden_size: int,
        inner_size: int,
        state_size: int,
        num_groups: int,
        convolution_size: int,
        rates: Tensor,
        steps: Tensor,
    ) -> None:
        super().__init__()
        self.num_heads, self.num_groups = len(rates), num_groups
        self.state_size, self.head_size = state_size, inner_size // len(rates)
        convolved = inner_size + 2 * num_groups * state_size
        self.sizes = inner_size, convolved, self.num_heads
        self.project = Linear(hidden_size, sum(self.sizes), bias=False)
        self.convolution = ShortConvolution(convolved, convolution_size)
        self.log_rate = nn.Parameter(rates.log())
        self.step_bias = nn.Parameter(inverse_softplus(steps))
        self.skip = nn.Parameter(torch.ones(self.num_heads))
        self.norm = nn.Parameter(torch.ones(inner_size))
        self.output = Linear(inner_size, hidden_size, bias=False)

    def carry_spec(self) -> CarrySpec:
        """State `matrix`, [B, H, N, inner_size / H], and `inputs`, the convolution's; zero at first."""
        return {
            "matrix": Leaf((self.num_heads, self.state_size, self.head_size)),
            "inputs": self.convolution.leaf,
        }

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        gate, rows, step = self.project(u).split(self.sizes, dim=-1)
        rows, states = silu(self.convolution(rows, memory, "inputs")), self.num_groups * self.state_size
        v, b, c = rows.split((rows.shape[-1] - 2 * states, states, states), dim=-1)
        v, b, c = to_heads(v, self.num_heads), self._of_groups(b), self._of_groups(c)
        step = softplus(step.to(state_dtype(step.dtype)) + self.step_bias)
        y = memory.linear_attention("matrix", c, b, step.unsqueeze(-1) * v, -step * self.log_rate.exp())
        y = (y + self.skip.unsqueeze(-1) * v).flatten(-2).to(u.dtype) * silu(gate)
        y = to_heads(y, self.num_groups)
        return self.output(rms_norm(y, y.shape[-1:], eps=1e-5).flatten(-2) * self.norm)

    def _of_groups(self, x: Tensor) -> Tensor:
        """Give what groups share to each of their heads, [*, G N] to [*, H, N]."""
        x = to_heads(x, self.num_groups).unsqueeze(-2)
        return x.expand(*x.shape[:-2], self.num_heads // self.num_groups, -1).flatten(-3, -2)
