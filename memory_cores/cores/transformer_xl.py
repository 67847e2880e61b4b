"""Transformer-XL: attention to the last rows of the episode, layer upon layer, without gates."""

from typing import Literal

from torch import Tensor, nn

from engram.common.checked import require
from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.cache.attention import init_linear
from engram.memory_cores.cache.relative_attention import RelativeAttention
from engram.memory_cores.cache.rotary_attention import RotaryAttention
from engram.memory_cores.cache_core import CacheMemory, LayeredCacheCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.layered_core import Layer

Norm = Literal["pre", "post"]
Positions = Literal["relative", "rotary"]


class TransformerXL(LayeredCacheCore):
    """Layers of attention and of a perceptron, each added to the stream and normalised.

    With norm "pre" u' = u + Attention(LN(u)), out = u' + MLP(LN(u')); with "post", as published,
    u' = LN(u + Attention(u)), out = LN(u' + MLP(u')). MLP(u) = W' relu(W u + b) + b'.

    A layer's row attends to itself and the `memory_length` rows before it in the episode. Positions "relative", as
    published, score a token by content and by age; what is stored is the attention's input. "rotary" turn queries and
    keys; what is stored are keys and values. Gradients flow through all that is stored: an agent that learns on pieces
    of a rollout detaches the carry a piece starts from, as published.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Attention heads of a layer. Default: 4.
        head_size: Width of a head; even with rotary positions. Default: 32.
        memory_length: Rows before the present one that a layer sees. Default: 128.
        mlp_size: Width of the perceptron's hidden layer. Default: 256.
        norm: "pre" or "post", where the layers are normalised. "pre" trains more surely. Default: "pre".
        positions: "relative" or "rotary". Default: "relative".

    Source: Dai et al., "Transformer-XL: attentive language models beyond a fixed-length context", 2019; rotary
    positions: Su et al., 2021; a norm first: Xiong et al., "On layer normalization in the transformer architecture",
    2020.
    """

    card = CoreCard(
        family="cache",
        step_cost="O(L (H H + W H)), L layers, windows of W rows",
        training_cost="O(T L (H H + (W + S) H)) in slices of S rows; parallel in each layer",
        memory_length="W rows in each layer, up to L W through the layers above",
        choose_when=(
            "A transformer without gates is to be compared with. In reinforcement learning GTrXL's gates make it "
            "train more surely, at twice the weights. Not for horizons far beyond W, nor where the carry must be "
            "small (L W H numbers)."
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
        norm: Norm = "pre",
        positions: Positions = "relative",
    ) -> None:
        is_possible = positions == "relative" or head_size % 2 == 0
        require(is_possible, "head_size", "even with rotary positions", head_size, self)
        sizes = (hidden_size, num_heads, head_size, memory_length, mlp_size)
        # All branches together begin no larger than the stream they are added to.
        scale = 1 / num_layers
        layers = [TransformerXLLayer(*sizes, norm, positions, scale) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)


class TransformerXLLayer(Layer):
    """Attention and a perceptron; the arguments are those of `TransformerXL`, and the branches' initial `scale`."""

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        head_size: int,
        memory_length: int,
        mlp_size: int,
        norm: Norm,
        positions: Positions,
        scale: float,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.attention_norm, self.mlp_norm = nn.LayerNorm(hidden_size), nn.LayerNorm(hidden_size)
        is_relative = positions == "relative"
        self.attention = (
            RelativeAttention(hidden_size, num_heads, head_size, memory_length, scale)
            if is_relative
            else RotaryAttention(hidden_size, num_heads, head_size, scale)
        )
        token_size = hidden_size if is_relative else 2 * num_heads * head_size
        self.ring = Leaf((memory_length + 1, token_size), "stored")
        self.mlp = nn.Sequential(
            init_linear(Linear(hidden_size, mlp_size), 2.0),
            nn.ReLU(),
            init_linear(Linear(mlp_size, hidden_size), scale),
        )

    def carry_spec(self) -> CarrySpec:
        """State `tokens`: row n of the episode in slot n modulo the number of slots."""
        return {"tokens": self.ring}

    def forward(self, u: Tensor, memory: CacheMemory) -> Tensor:
        """Run rows [*, hidden_size] with the layer's part of the memory."""
        if self.norm == "pre":
            u = u + memory.attend("tokens", self.attention, self.attention_norm(u))
            return u + self.mlp(self.mlp_norm(u))
        u = self.attention_norm(u + memory.attend("tokens", self.attention, u))
        return self.mlp_norm(u + self.mlp(u))
