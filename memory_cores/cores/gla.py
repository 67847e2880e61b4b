"""Gated linear attention: matrix memories whose key channels forget as each row says."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import logsigmoid

from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import FeatureMap, GatedRead, MatrixLayer, to_heads
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory
from engram.memory_cores.time_scales import TimeScale, chrono_bias

ROOT = 16


class GLA(LayeredCore, MatrixCore):
    """Layers of gated linear attention: u' = u + Attention(LN(u)), behind it a perceptron if `mlp_size` is given.

    With q, k, v = W x and decays α = σ(W₂ W₁ x + b)^(1/16) of the key channels: S' = diag(α) S + k vᵀ,
    read = qᵀ S' / √K, and the layer puts out W_o (RMSNorm(read) ⊙ SiLU(W_g x)).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Heads of a layer, H. Default: 4.
        key_size: Width of a head's keys, K. Default: 16.
        value_size: Width of a head's values, V. Default: 32.
        gate_rank: Rank of the decays' projection W₂ W₁. Default: 16.
        feature_map: What q and k go through: "relu", with which rows that are alike and many leave room for one that
            was not, or "none", as published. Default: "relu".
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.
        init: Biases b: "chrono", channels begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`);
            "published", around zero, which fades by e in some 23 rows. Default: "chrono".
        max_time_scale: Longest initial time scale in rows, for "chrono" alone. Default: 1024.

    Source: Yang et al., "Gated linear attention transformers with hardware-efficient training", 2023, section 4.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h K V)), L layers, h heads of K by V",
        training_cost="O(T L (H² + h (K V + C (K + V)))) in chunks of C rows; only O(T / C) states go one by one",
        memory_length="`max_time_scale` rows at first, in its slowest key channels; each row says what is kept",
        choose_when=(
            "What is to be forgotten depends on the input, channel by channel, which RetNet cannot learn. Not "
            "where one of many things must be replaced alone: a channel fades for all that was written to it."
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
        gate_rank: Size = 16,
        feature_map: FeatureMap = "relu",
        mlp_size: Size | None = None,
        init: Literal["chrono", "published"] = "chrono",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        sizes = hidden_size, num_heads, key_size, value_size, gate_rank
        longest = max_time_scale if init == "chrono" else None
        layers = [
            ResidualLayer(hidden_size, GatedAttention(*sizes, longest, feature_map), mlp_size)
            for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)


class GatedAttention(MatrixLayer):
    """Heads of matrices with decays of their key channels; see `GLA`.

    Args:
        hidden_size: Width of input and output.
        num_heads: H.
        key_size: K.
        value_size: V.
        gate_rank: Rank of the decays' projection.
        max_time_scale: Longest initial time scale; None leaves the biases as they are drawn. Default: None.
        feature_map: What queries and keys go through. Default: "none".
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        key_size: int,
        value_size: int,
        gate_rank: int,
        max_time_scale: int | None = None,
        feature_map: FeatureMap = "none",
    ) -> None:
        super().__init__(hidden_size, num_heads, key_size, value_size, feature_map)
        self.reduce = Linear(hidden_size, gate_rank, bias=False)
        self.decay = Linear(gate_rank, num_heads * key_size)
        if max_time_scale is not None:
            self.decay.bias.data = chrono_bias(num_heads * key_size, max_time_scale, ROOT)
        self.read = GatedRead(hidden_size, num_heads, value_size)

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        q, k, v = self.heads(u)
        log_decay = to_heads(logsigmoid(self.decay(self.reduce(u))), self.num_heads) / ROOT
        return self.read(u, memory.linear_attention("matrix", q * self.key_size**-0.5, k, v, log_decay))
