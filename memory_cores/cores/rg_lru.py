"""RG-LRU: the gated linear recurrences of Griffin and Hawk."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, softplus

from engram.common.checked import require
from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, state_dtype
from engram.memory_cores.layered_core import Layer, LayeredCore, ResidualLayer
from engram.memory_cores.scan_core import ScanCore, ScanMemory
from engram.memory_cores.short_convolution import ShortConvolution, Taps
from engram.memory_cores.time_scales import TimeScale, even_time_scales, inverse_softplus

_SHARPNESS = 8.0  # c of the paper
_SMALLEST_VARIANCE = 1e-20  # of what is written: the root of zero has no derivative


class RGLRU(LayeredCore, ScanCore):
    """Layers u' = u + W_o (GELU(W_y v) ⊙ RG-LRU(convolution(W_x v))), v = LN(u), behind them a perceptron if asked for.

    RG-LRU(x): r = σ(W_a x + b_a), i = σ(W_i x + b_i) with block-diagonal matrices; log a = −8 r ⊙ softplus(Λ),
    h' = a ⊙ h + √(1 − a²) ⊙ i ⊙ x, where an episode's first row is written whole, h' = i ⊙ x. In the paper norms are
    RMSNorm, and the perceptron is gated and always there.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        state_size: Width of the recurrence; published: 4/3 of `hidden_size`. Default: 128.
        num_layers: Number of layers. Default: 2.
        blocks: Equal blocks of the gates' matrices. Default: 4.
        convolution_size: Rows that the short convolution sees. Default: 4.
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.
        init: Λ: "spread", units whose gate r is half open fade in time scales from 2 to `max_time_scale` rows, evenly
            in their logarithm; "published", exp(−2 softplus(Λ)) from U(0.9², 0.999²), mostly a few rows.
            Default: "spread".
        max_time_scale: Longest time scale in rows, 2 or more, for "spread" alone. Default: 1024.

    Raises:
        ValueError: `blocks` does not divide `state_size`.

    Source: De et al., "Griffin: mixing gated linear recurrences with local attention", 2024, sections 2.3 and 2.4.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(L N (H + N/G)), L layers of N units, G blocks",
        training_cost="O(T L N (H + N/G)); only O(T L N) elementwise work goes row by row",
        memory_length="`max_time_scale` rows at first; its gates stretch them where nothing is to be taken",
        choose_when=(
            "What does not matter must be passed over, as the input alone can tell: LRU, with real states and rates "
            "that depend on it. Not where the choice must depend on what is known already."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        state_size: Size = 128,
        num_layers: Size = 2,
        blocks: Size = 4,
        convolution_size: Taps = 4,
        mlp_size: Size | None = None,
        init: Literal["spread", "published"] = "spread",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        require(state_size % blocks == 0, "state_size", f"a multiple of blocks ({blocks})", state_size, self)
        time_scales = even_time_scales(state_size, max_time_scale) if init == "spread" else None
        layers = (
            ResidualLayer(
                hidden_size,
                RecurrentBlock(hidden_size, RealGatedUnit(state_size, blocks, time_scales), convolution_size),
                mlp_size,
            )
            for _ in range(num_layers)
        )
        super().__init__(input_size, hidden_size, layers)


class RecurrentBlock(Layer):
    """W_o (GELU(W_y v) ⊙ unit(convolution(W_x v))).

    Args:
        hidden_size: Width of input and output.
        unit: The recurrence, as wide out as in.
        convolution_size: Rows that the short convolution sees.
    """

    def __init__(self, hidden_size: int, unit: "RealGatedUnit", convolution_size: int) -> None:
        super().__init__()
        self.input = Linear(hidden_size, unit.size)
        self.gate = Linear(hidden_size, unit.size)
        self.convolution = ShortConvolution(unit.size, convolution_size)
        self.unit = unit
        self.output = Linear(unit.size, hidden_size)

    def carry_spec(self) -> CarrySpec:
        """State `inputs`, the convolution's, and what the unit carries."""
        return {"inputs": self.convolution.leaf, **self.unit.carry_spec()}

    def forward(self, u: Tensor, memory: ScanMemory) -> Tensor:
        """Run rows [*, hidden_size]; see the class."""
        hidden = self.unit(self.convolution(self.input(u), memory, "inputs"), memory)
        return self.output(gelu(self.gate(u)) * hidden.to(u.dtype))


class RealGatedUnit(Layer):
    """RG-LRU itself; see the core.

    Args:
        size: Number of units.
        blocks: Equal blocks of the gates' matrices.
        time_scales: In which units fade at first, in rows, [size]; None draws Λ as published.
    """

    def __init__(self, size: int, blocks: int, time_scales: Tensor | None) -> None:
        super().__init__()
        self.size = size
        block = size // blocks
        self.gate_weight = nn.Parameter(torch.randn(blocks, block, 2 * block) * block**-0.5)
        self.gate_bias = nn.Parameter(torch.zeros(blocks, 2 * block))
        if time_scales is None:
            rate = -0.5 * torch.empty(size, dtype=torch.float64).uniform_(0.9**2, 0.999**2).log()
        else:
            rate = -torch.log1p(-1 / time_scales) / (_SHARPNESS / 2)
        self.decay = nn.Parameter(inverse_softplus(rate).to(self.gate_bias.dtype))

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, size], and `count`, the rows of the episode so far."""
        return {"hidden": Leaf((self.size,)), "count": Leaf((), "count")}

    def forward(self, u: Tensor, memory: ScanMemory) -> Tensor:
        """Run rows [*, size]; see `RGLRU`."""
        parts = u.unflatten(-1, (len(self.gate_weight), -1))
        gates = torch.einsum("...gi,gio->...go", parts, self.gate_weight) + self.gate_bias
        # In half precision a slow unit's a would be rounded to one.
        dtype = state_dtype(u.dtype)
        recurrence, write = (gate.flatten(-2) for gate in gates.to(dtype).sigmoid().chunk(2, dim=-1))
        log_a = -_SHARPNESS * recurrence * softplus(self.decay.to(dtype))
        scale = (-torch.expm1(2 * log_a)).clamp(min=_SMALLEST_VARIANCE).sqrt()
        is_fresh = memory.position("count").unsqueeze(-1) == 0
        return memory.scan("hidden", log_a.exp(), torch.where(is_fresh, 1.0, scale) * write * u.to(dtype))
