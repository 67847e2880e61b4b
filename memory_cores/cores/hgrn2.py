"""HGRN2: matrix memories whose key channels keep what their forget gates do not write."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, silu

from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import state_dtype
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import GatedRead, MatrixLayer
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory
from engram.memory_cores.memory import Memory
from engram.memory_cores.time_scales import TimeScale, chrono_bias


class HGRN2(LayeredCore, MatrixCore):
    """Layers of HGRN2: u' = u + Mixer(LN(u)), behind it a perceptron if `mlp_size` is given.

    With q = SiLU(W_q x), v = W_v x and forget gates f = β + (1 − β) σ(W_f x + b) of the key channels:
    S' = diag(f) S + (1 − f) vᵀ, read = qᵀ S' / √K, and the layer puts out W_o RMSNorm(read), of all heads together.
    The lower bounds β rise from layer to layer, so that upper ones remember longer: of a table Γ that all share,
    softmax(Γ) over the layers is summed up, from zero in the first one.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Heads of a layer, H. Default: 4.
        key_size: Width of a head's keys, K. Default: 16.
        value_size: Width of a head's values, V. Default: 32.
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.
        init: Biases b: "chrono", channels of the first layer begin with time scales from 2 to `max_time_scale` rows
            (`chrono_bias`); "published", zero, with which half is forgotten in a row. Default: "chrono".
        max_time_scale: Longest initial time scale in rows, for "chrono" alone. Default: 1024.

    Source: Qin et al., "HGRN2: gated linear RNNs with state expansion", 2024, section 3.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h K V)), L layers, h heads of K by V",
        training_cost="O(T L (H² + h (K V + C (K + V)))) in chunks of C rows; only O(T / C) states go one by one",
        memory_length="`max_time_scale` rows at first, in its slowest key channels; longer in upper layers",
        choose_when=(
            "GLA is wanted with fewer weights: what a channel forgets is what it writes, so that states stay "
            "bounded in any episode. Not where much must be written to a channel that forgets little."
        ),
        shown_by="diagnostic/recall_pairs",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Size = 2,
        num_heads: Size = 4,
        key_size: Size = 16,
        value_size: Size = 32,
        mlp_size: Size | None = None,
        init: Literal["chrono", "published"] = "chrono",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        sizes = hidden_size, num_heads, key_size, value_size
        longest = max_time_scale if init == "chrono" else None
        layers = [
            ResidualLayer(hidden_size, GatedExpansion(*sizes, longest), mlp_size) for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)
        self.bound_logits = nn.Parameter(torch.zeros(num_layers, num_heads, key_size))

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Run the layers, each with its lower bound."""
        share = self.bound_logits.to(state_dtype(x.dtype)).softmax(dim=0)
        bounds = [None, *share[1:].cumsum(dim=0)]
        u = self.embed(x)
        for index, (layer, bound) in enumerate(zip(self.layers, bounds, strict=True)):
            u = layer(u, memory.at(f"layer_{index}"), bound)
        return u


class GatedExpansion(MatrixLayer):
    """Heads of matrices with forget gates f of their key channels, and keys 1 − f; see `HGRN2`.

    Args:
        hidden_size: Width of input and output.
        num_heads: H.
        key_size: K.
        value_size: V.
        max_time_scale: Longest initial time scale; None is no bias. Default: None.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        key_size: int,
        value_size: int,
        max_time_scale: int | None = None,
    ) -> None:
        super().__init__(hidden_size, num_heads, key_size, value_size)
        if max_time_scale is not None:
            self.key.bias = nn.Parameter(chrono_bias(num_heads * key_size, max_time_scale))
        self.read = GatedRead(hidden_size, 1, num_heads * value_size, gate=False)

    def forward(self, u: Tensor, memory: MatrixMemory, lower_bound: Tensor | None = None) -> Tensor:
        """Run rows; see `Layer.forward`. The lower bound of the gates is positive, [H, K]; None is zero."""
        q, gate, v = self.heads(u)
        gate = gate.to(state_dtype(gate.dtype))
        k, log_decay = (-gate).sigmoid(), logsigmoid(gate)
        if lower_bound is not None:
            above = torch.log1p(-lower_bound)
            k, log_decay = above.exp() * k, torch.logaddexp(lower_bound.log(), above + log_decay)
        read = memory.linear_attention("matrix", silu(q) * self.key_size**-0.5, k, v, log_decay)
        return self.read(u, read.flatten(-2).unsqueeze(-2))
