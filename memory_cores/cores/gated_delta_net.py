"""Gated DeltaNet: heads of matrix memories that overwrite what a key held, and forget as the input says."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.cores.delta_net import DeltaRule
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix_core import MatrixCore
from engram.memory_cores.short_convolution import Taps
from engram.memory_cores.time_scales import TimeScale, even_time_scales, inverse_softplus


class GatedDeltaNet(LayeredCore, MatrixCore):
    """Layers of the gated delta rule: u' = u + Delta(LN(u)), behind it a perceptron if `mlp_size` is given.

    q, k, v and β as in `DeltaNet`, and a decay for each head, g = −exp(a) softplus(W_g u + b): S̃ = exp(g) S,
    S' = S̃ + k (β (v − S̃ᵀ k))ᵀ, read = qᵀ S' / √K, and the layer puts out W_o (RMSNorm(read) ⊙ SiLU(W u)).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Heads of a layer, H. Default: 4.
        key_size: Width of a head's keys, K. Default: 16.
        value_size: Width of a head's values, V. Default: 32.
        convolution_size: Rows that the short convolutions see. Default: 4.
        allow_neg_eigval: Let β reach 2, so that a state may be reflected: parity and permutations can then be tracked.
            Default: False, as published.
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.
        init: Decays at first: "spread", heads fade in time scales from 2 to `max_time_scale` rows, evenly in their
            logarithm; "published", exp(a) from U(0, 16) and softplus(b) from 0.001 to 0.1, evenly in its logarithm:
            mostly a few dozen rows. Default: "spread".
        max_time_scale: Longest time scale in rows, 2 or more, for "spread" alone. Default: 1024.

    Source: Yang et al., "Gated delta networks: improving Mamba2 with delta rule", 2025.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h K V)), L layers, h heads of K by V",
        training_cost="O(T L (H² + h (K V + C (C + K + V)))) in chunks of C rows, whose states go one by one",
        memory_length="set by `max_time_scale` at first; its gates learn what to keep and what to drop",
        choose_when=(
            "Pairs must be kept and replaced, and what is over must go: the strongest of the matrix memories in its "
            "paper. Not for the last bit of speed: the delta rule costs a triangular solve for each chunk."
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
        convolution_size: Taps = 4,
        allow_neg_eigval: bool = False,
        mlp_size: Size | None = None,
        init: Literal["spread", "published"] = "spread",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        sizes = hidden_size, num_heads, key_size, value_size, convolution_size
        scales = even_time_scales(num_heads, max_time_scale) if init == "spread" else None
        layers = [
            ResidualLayer(
                hidden_size, GatedDeltaRule(scales, *sizes, allow_neg_eigval=allow_neg_eigval), mlp_size
            )
            for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)


class GatedDeltaRule(DeltaRule):
    """`DeltaRule` with a decay of each head and a gate on what is read.

    Args:
        time_scales: In which the heads fade at first, in rows, [H]; None draws the decays as published.
        hidden_size: Width of input and output.
        num_heads: H.
        key_size: K.
        value_size: V.
        convolution_size: Rows that the short convolution of q, k and v sees.
        allow_neg_eigval: Let β reach 2.
    """

    def __init__(
        self,
        time_scales: Tensor | None,
        hidden_size: int,
        num_heads: int,
        key_size: int,
        value_size: int,
        convolution_size: int,
        allow_neg_eigval: bool,
    ) -> None:
        super().__init__(
            hidden_size, num_heads, key_size, value_size, convolution_size, allow_neg_eigval, gate=True
        )
        self.decay = Linear(hidden_size, num_heads)
        if time_scales is None:
            rate = torch.empty(num_heads).uniform_(1e-4, 16.0)
            rows = torch.empty(num_heads).uniform_(math.log(1e-3), math.log(0.1)).exp()
        else:
            rate, rows = torch.ones(num_heads), 1 / time_scales
        self.log_rate = nn.Parameter(rate.log())
        self.decay.bias.data.copy_(inverse_softplus(rows))

    def log_decay(self, u: Tensor) -> Tensor:
        """Return the log decays of the heads, [*, H], in float32 at least."""
        rows = self.decay(u)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        return -self.log_rate.to(rows.dtype).exp() * softplus(rows)
