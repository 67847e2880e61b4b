"""RetNet: heads of matrix memories that forget at fixed rates."""

from typing import Literal

import torch
from torch import Tensor

from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import FeatureMap, GatedRead, MatrixLayer
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory
from engram.memory_cores.time_scales import TimeScale, even_time_scales


class RetNet(LayeredCore, MatrixCore):
    """Layers of retention: u' = u + Retention(LN(u)), behind it a perceptron if `mlp_size` is given.

    With q, k, v = W x and the head's decay γ: S' = γ S + k vᵀ, read = qᵀ S' / √K, and the layer puts out
    W_o (RMSNorm(read) ⊙ SiLU(W_g x)). The published rotation of q and k by the row's number is left out: the decay
    orders rows, and episodes have no end.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Heads of a layer, H. Default: 4.
        key_size: Width of a head's keys, K. Default: 16.
        value_size: Width of a head's values, V. Default: 32.
        feature_map: What q and k go through: "relu", with which rows that are alike and many leave room for one that
            was not, or "none", as published. Default: "relu".
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.
        init: Decays: "published", γ = 1 − 2^(−5 − h) for head h, which fade by e in 32, 64, … rows; "spread": in time
            scales from 2 to `max_time_scale` rows, evenly in their logarithm. Default: "spread".
        max_time_scale: Longest time scale in rows, for "spread" alone. Default: 1024.

    Source: Sun et al., "Retentive network: a successor to transformer for large language models", 2023, section 2.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h K V)), L layers, h heads of K by V",
        training_cost="O(T L (H² + h (K V + C (K + V)))) in chunks of C rows; only O(T / C) states go one by one",
        memory_length="its heads fade by e in 2 to `max_time_scale` rows, and never otherwise",
        choose_when=(
            "Many rows are to be kept apart by their keys and forgotten by age alone: the plainest matrix memory."
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
        feature_map: FeatureMap = "relu",
        mlp_size: Size | None = None,
        init: Literal["published", "spread"] = "spread",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        if init == "published":
            time_scales = 2.0 ** (5 + torch.arange(num_heads, dtype=torch.float64))
        else:
            time_scales = even_time_scales(num_heads, max_time_scale)
        sizes = hidden_size, key_size, value_size
        layers = [
            ResidualLayer(hidden_size, Retention(*sizes, time_scales, feature_map), mlp_size)
            for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)


class Retention(MatrixLayer):
    """Heads of matrix memories with constant decays.

    Args:
        hidden_size: Width of input and output.
        key_size: K.
        value_size: V.
        time_scales: Of the heads in rows, τ with γ = 1 − 1 / τ, [H].
        feature_map: What queries and keys go through. Default: "none".
    """

    log_decay: Tensor

    def __init__(
        self,
        hidden_size: int,
        key_size: int,
        value_size: int,
        time_scales: Tensor,
        feature_map: FeatureMap = "none",
    ) -> None:
        super().__init__(hidden_size, len(time_scales), key_size, value_size, feature_map)
        self.read = GatedRead(hidden_size, self.num_heads, value_size)
        decay = torch.log1p(-1 / time_scales)
        self.register_buffer("log_decay", decay, persistent=False)

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        q, k, v = self.heads(u)
        read = memory.linear_attention("matrix", q * self.key_size**-0.5, k, v, self.log_decay)
        return self.read(u, read)
