"""Linear attention: an average of the episode's values, weighted by how well keys fit the query."""

import torch
from torch import Tensor
from torch.nn.functional import elu

from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import GatedRead, MatrixLayer
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory

EPS = 1e-5


class LinearAttention(LayeredCore, MatrixCore):
    """Layers of linear attention: u' = u + Attention(LN(u)), behind it a perceptron if `mlp_size` is given.

    With q, k, v = W x and φ = elu + 1: S' = S + φ(k) vᵀ, z' = z + φ(k), read = φ(q)ᵀ S' / (φ(q)ᵀ z' + 1e−5), and the
    layer puts out W_o read. The normaliser z is carried as the last column of S, whose value is always one.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Heads of a layer, H. Default: 4.
        key_size: Width of a head's keys, K. Default: 16.
        value_size: Width of a head's values, V. Default: 32.
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.

    Source: Katharopoulos et al., "Transformers are RNNs: fast autoregressive transformers with linear attention", 2020,
    section 3; with one head and no perceptron it is the block of POPGym (Morad et al., 2023).
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h K V)), L layers, h heads of K by V",
        training_cost="O(T L (H² + h (K V + C (K + V)))) in chunks of C rows; only O(T / C) states go one by one",
        memory_length="the whole episode: nothing fades, but each row's share is one of all rows written",
        choose_when=(
            "What matters is found by its content, however old, and attention to every row would cost too much. Not "
            "for long episodes of which the end counts: it cannot forget, and averages over more and more rows."
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
    ) -> None:
        sizes = hidden_size, num_heads, key_size, value_size
        layers = [ResidualLayer(hidden_size, Attention(*sizes), mlp_size) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)


class Attention(MatrixLayer):
    """Heads that sum up values and keys; see `LinearAttention`."""

    def __init__(self, hidden_size: int, num_heads: int, key_size: int, value_size: int) -> None:
        super().__init__(hidden_size, num_heads, key_size, value_size)
        self.read = GatedRead(hidden_size, num_heads, value_size, gate=False, norm=False)

    def carry_spec(self) -> CarrySpec:
        """State `matrix`, [B, num_heads, key_size, value_size + 1], zero at first; its last column is z."""
        return {"matrix": Leaf((self.num_heads, self.key_size, self.value_size + 1))}

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        q, k, v = self.heads(u)
        v = torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)
        sums = memory.linear_attention("matrix", elu(q) + 1, elu(k) + 1, v)
        return self.read(u, sums[..., :-1] / (sums[..., -1:] + EPS))
