"""GTrXL: a gated transformer over the last rows of the episode."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from engram.common.dense import Linear
from engram.common.option_types import Number, Size
from engram.memory_cores.cache.attention import init_linear
from engram.memory_cores.cache.relative_attention import RelativeAttention
from engram.memory_cores.cache_core import CacheMemory, LayeredCacheCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.layered_core import Layer


class GTrXL(LayeredCacheCore):
    """Layers of attention and of a perceptron, each behind a gate that begins nearly closed.

    x' = G(x, relu(Attention(LN(x)))), out = G(x', relu(MLP(LN(x')))), where G is a GRU's update:
    r = σ(W_r y + U_r x), z = σ(W_z y + U_z x - b), h = tanh(W_h y + U_h (r ⊙ x)), (1 - z) ⊙ x + z ⊙ h.

    A layer's row attends to itself and the `memory_length` rows before it in the episode, by content and by
    age. What is stored of a row is the layer's normalised input. Gradients flow through all that is stored:
    an agent that learns on pieces of a rollout detaches the carry a piece starts from, as published.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Attention heads of a layer. Default: 4.
        head_size: Width of a head. Default: 32.
        memory_length: Rows before the present one that a layer sees. Default: 128.
        mlp_size: Width of the perceptron's hidden layer. Default: 256.
        gate_bias: Initial b; with 2 a new layer passes 0.88 of its input on. Default: 2.0.

    Source: Parisotto et al., "Stabilizing transformers for reinforcement learning", 2020; relative positions:
    Dai et al., "Transformer-XL: attentive language models beyond a fixed-length context", 2019.
    """

    card = CoreCard(
        family="cache",
        step_cost="O(L (H H + W H)), L layers, windows of W rows",
        training_cost="O(T L (H H + (W + S) H)) in slices of S rows; parallel in each layer",
        memory_length="W rows in each layer, up to L W through the layers above",
        choose_when=(
            "Every one of the last rows may matter and is compared with the present one. Not for horizons far "
            "beyond W, with which costs grow, nor where the carry must be small (L W H numbers)."
        ),
        shown_by="diagnostic/recall_pairs",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Size = 2,
        num_heads: Size = 4,
        head_size: Size = 32,
        memory_length: Size = 128,
        mlp_size: Size = 256,
        gate_bias: Number = 2.0,
    ) -> None:
        sizes = (hidden_size, num_heads, head_size, memory_length, mlp_size)
        layers = [GTrXLLayer(*sizes, gate_bias) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)


class GTrXLLayer(Layer):
    """Attention and a perceptron, each gated; the arguments are those of `GTrXL`."""

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        head_size: int,
        memory_length: int,
        mlp_size: int,
        gate_bias: float,
    ) -> None:
        super().__init__()
        self.ring_shape = (memory_length + 1, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.attention = RelativeAttention(hidden_size, num_heads, head_size, memory_length)
        self.attention_gate = Gate(hidden_size, gate_bias)
        self.mlp = nn.Sequential(
            nn.LayerNorm(hidden_size),
            init_linear(Linear(hidden_size, mlp_size), 2.0),
            nn.ReLU(),
            init_linear(Linear(mlp_size, hidden_size), 2.0),
        )
        self.mlp_gate = Gate(hidden_size, gate_bias)

    def carry_spec(self) -> CarrySpec:
        """State `tokens`: row n of the episode, normalised, in slot n modulo the number of slots."""
        return {"tokens": Leaf(self.ring_shape, "stored")}

    def forward(self, u: Tensor, memory: CacheMemory) -> Tensor:
        """Run rows [*, hidden_size] with the layer's part of the memory."""
        u = self.attention_gate(u, relu(memory.attend("tokens", self.attention, self.norm(u))))
        return self.mlp_gate(u, relu(self.mlp(u)))


class Gate(nn.Module):
    """A GRU's update of the stream x by a branch y.

    Args:
        hidden_size: Width of both.
        bias: Initial value of b; the larger, the less of y passes.
    """

    def __init__(self, hidden_size: int, bias: float) -> None:
        super().__init__()
        self.branch = init_linear(Linear(hidden_size, 3 * hidden_size, bias=False), 1.0)
        self.stream = init_linear(Linear(hidden_size, 2 * hidden_size, bias=False), 1.0)
        self.candidate = init_linear(Linear(hidden_size, hidden_size, bias=False), 1.0)
        self.bias = nn.Parameter(torch.full((hidden_size,), float(bias)))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Mix x and y, [..., hidden_size] each."""
        reset_y, update_y, candidate_y = self.branch(y).chunk(3, dim=-1)
        reset_x, update_x = self.stream(x).chunk(2, dim=-1)
        update = (update_y + update_x - self.bias).sigmoid()
        candidate = (candidate_y + self.candidate((reset_y + reset_x).sigmoid() * x)).tanh()
        return x + update * (candidate - x)
