"""DeltaNet: heads of matrix memories that overwrite what a key held."""

import torch
from torch import Tensor
from torch.nn.functional import silu

from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, state_dtype
from engram.memory_cores.layered_core import Layer, LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import GatedRead, to_heads
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory
from engram.memory_cores.short_convolution import ShortConvolution, Taps


class DeltaNet(LayeredCore, MatrixCore):
    """Layers of the delta rule: u' = u + Delta(LN(u)), behind it a perceptron if `mlp_size` is given.

    q and k are SiLU(conv(W u)) of length one, v = SiLU(conv(W_v u)), β = σ(W_β u) for each head:
    S' = S + k (β (v − Sᵀ k))ᵀ, read = qᵀ S' / √K, and the layer puts out W_o RMSNorm(read).

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

    Source: Schlag et al., "Linear transformers are secretly fast weight programmers", 2021; Yang et al.,
    "Parallelizing linear transformers with the delta rule over sequence length", 2024; eigenvalues: Grazzi et al.,
    "Unlocking state-tracking in linear RNNs through negative eigenvalues", 2025.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h K V)), L layers, h heads of K by V",
        training_cost="O(T L (H² + h (K V + C (C + K + V)))) in chunks of C rows, whose states go one by one",
        memory_length="the whole episode: a row fades only as its key is written to again",
        choose_when=(
            "Pairs must be kept and replaced, as a map is; with `allow_neg_eigval` states are tracked too. Not where "
            "the past must fade by itself: then `gated_delta_net`."
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
    ) -> None:
        sizes = num_heads, key_size, value_size, convolution_size
        layers = [
            ResidualLayer(
                hidden_size, DeltaRule(hidden_size, *sizes, allow_neg_eigval=allow_neg_eigval), mlp_size
            )
            for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)


class DeltaRule(Layer):
    """Heads of matrix memories written to by the delta rule; the arguments are those of `DeltaNet`.

    Args:
        hidden_size: Width of input and output.
        num_heads: H.
        key_size: K.
        value_size: V.
        convolution_size: Rows that the short convolution of q, k and v sees.
        allow_neg_eigval: Let β reach 2.
        gate: Gate what is read. Default: False.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        key_size: int,
        value_size: int,
        convolution_size: int,
        allow_neg_eigval: bool,
        gate: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads, self.key_size, self.value_size = num_heads, key_size, value_size
        self.largest_strength = 2.0 if allow_neg_eigval else 1.0
        width = num_heads * (2 * key_size + value_size)
        self.project = Linear(hidden_size, width, bias=False)
        self.convolution = ShortConvolution(width, convolution_size, bias=False)
        self.strength = Linear(hidden_size, num_heads, bias=False)
        self.read = GatedRead(hidden_size, num_heads, value_size, gate)

    def carry_spec(self) -> CarrySpec:
        """State `matrix`, [B, H, K, V], and `inputs`, the convolution's: q, k and v of earlier rows side by side."""
        return {
            "matrix": Leaf((self.num_heads, self.key_size, self.value_size)),
            "inputs": self.convolution.leaf,
        }

    def log_decay(self, u: Tensor) -> Tensor | None:
        """Return the log decays of the heads, [*, H]; None, as here, if nothing decays."""
        return None

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        keys, values = self.num_heads * self.key_size, self.num_heads * self.value_size
        parts = silu(self.convolution(self.project(u), memory, "inputs")).split((keys, keys, values), dim=-1)
        q, k, v = (to_heads(part, self.num_heads) for part in parts)
        strength = self.largest_strength * self.strength(u).sigmoid()
        q = unit(q) * self.key_size**-0.5
        read = memory.delta_rule("matrix", q, unit(k), v, strength, self.log_decay(u))
        return self.read(u, read)


def unit(x: Tensor) -> Tensor:
    """Scale vectors [..., n] to length one."""
    x = x.to(state_dtype(x.dtype))  # of short vectors half precision would leave little
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)
