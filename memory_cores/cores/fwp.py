"""Fast weight programmer: outer products of sum-normalised keys and values, added up."""

from torch import Tensor
from torch.nn.functional import relu

from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import GatedRead, MatrixLayer
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory

EPS = 1e-5


class FWP(LayeredCore, MatrixCore):
    """Layers of fast weights: u' = u + FastWeights(LN(u)), behind it a perceptron if `mlp_size` is given.

    With q, k, v = W x and φ(x) = relu(x) / (1e−5 + Σ relu(x)): S' = S + φ(k) vᵀ, read = φ(q)ᵀ S', and the layer puts
    out W_o read. Keys and queries are probabilities of the matrix's rows.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Heads of a layer, H. Default: 4.
        key_size: Width of a head's keys, K. Default: 16.
        value_size: Width of a head's values, V. Default: 32.
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.

    Source: Schlag et al., "Linear transformers are secretly fast weight programmers", 2021, sections 3 and 4.2 without
    the delta rule, which DeltaNet has; of one head it is the block of POPGym (Morad et al., 2023).
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h K V)), L layers, h heads of K by V",
        training_cost="O(T L (H² + h (K V + C (K + V)))) in chunks of C rows; only O(T / C) states go one by one",
        memory_length="the whole episode: nothing fades, and nothing that was written is taken back",
        choose_when=(
            "A few things are kept apart by their keys, in episodes of hundreds of rows. Not where what is kept must "
            "be replaced: a key's earlier values stay in what it reads, and reads grow with the episode. DeltaNet "
            "mends both."
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
        layers = [ResidualLayer(hidden_size, FastWeights(*sizes), mlp_size) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)


class FastWeights(MatrixLayer):
    """Heads of matrices that are only ever added to; see `FWP`."""

    def __init__(self, hidden_size: int, num_heads: int, key_size: int, value_size: int) -> None:
        super().__init__(hidden_size, num_heads, key_size, value_size)
        self.read = GatedRead(hidden_size, num_heads, value_size, gate=False, norm=False)

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        q, k, v = self.heads(u)
        return self.read(u, memory.linear_attention("matrix", sum_normalised(q), sum_normalised(k), v))


def sum_normalised(x: Tensor) -> Tensor:
    """Return φ(x), which sums up to one if anything of x is above zero."""
    x = relu(x)
    return x / (x.sum(-1, keepdim=True) + EPS)
