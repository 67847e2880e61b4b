"""AGaLiTe: gated linear attention whose outer products are approximated by oscillating traces."""

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import relu

from engram.common.dense import Linear
from engram.common.option_types import Number, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec
from engram.memory_cores.cores.approximate_attention import ApproximateAttention, init_orthogonal
from engram.memory_cores.cores.gtrxl import Gate
from engram.memory_cores.layered_core import Layer, LayeredCore
from engram.memory_cores.scan_core import ScanCore, ScanMemory
from engram.memory_cores.time_scales import TimeScale


class AGaLiTe(LayeredCore, ScanCore):
    """Layers of approximate gated linear attention and of a perceptron, each behind a gate that begins nearly closed.

    u' = G(u, relu(Attention(LN(u)))), out = G(u', relu(MLP(LN(u')))) with GTrXL's gate G, above relu(W x). In a head
    k, q, v, b and g are linear in the row, [d], and so are p₁, p₂ and p₃, [η]. With κ = relu(k) ⊗ relu(p₁),
    ψ = relu(q) ⊗ relu(p₂), γ = σ(g) ⊗ σ(p₃), β = σ(b), and t = 2, 3, … the rows of the episode:

    k̃_j' = (1 − γ) k̃_j + cos(ω_j t) γ κ, ṽ_j' = (1 − β) ṽ_j + cos(ω_j t) β v, s' = (1 − γ) s + γ κ,
    read = Σ_j ṽ_j' (k̃_j' · ψ) / (2 r (s' · ψ) + 1e−5), with r frequencies ω_j from −π to π at equal distances.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Attention heads of a layer. Default: 4.
        head_size: Width of a head, d. Default: 32.
        eta: Factor by which a head's keys are widened, η. Default: 4.
        r: Number of frequencies. Those alike but for the sign have the same traces, which are kept once: (r + 1) // 2
            of them, so that 2, as published, is the same as 1. Default: 2.
        mlp_size: Width of the perceptron's hidden layer. Default: 256.
        gate_bias: Initial bias of the gates G; with 2 a new layer passes 0.88 of its input on. Default: 2.0.
        init: "chrono": biases of b and g such that traces fade in 2 to `max_time_scale` rows and twice that;
            "published": zero, so that they fade in 2 and 4. Default: "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Source: Pramanik et al., "AGaLiTe: approximate gated linear transformers for online reinforcement learning", 2024.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(L H (H + M) + L D (η + r)), L layers, perceptrons of M units, heads D wide in all",
        training_cost="O(T L (H (H + M) + D η r)); only O(T L D η r) elementwise work goes row by row",
        memory_length="what its gates learn to keep, as far back as gradients reach; 2 to 512 rows at first",
        choose_when=(
            "A transformer's layers are wanted with a small carry that never grows, and forgetting by content. Not "
            "where pairs must be kept apart exactly: its products of keys and values are approximate."
        ),
        shown_by="diagnostic/t_maze",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Size = 2,
        num_heads: Size = 4,
        head_size: Size = 32,
        eta: Size = 4,
        r: Size = 2,
        mlp_size: Size = 256,
        gate_bias: Number = 2.0,
        init: Literal["chrono", "published"] = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        layers = []
        for _ in range(num_layers):
            attention = ApproximateAttention(hidden_size, num_heads, head_size, eta, r)
            if init == "chrono":
                attention.spread_time_scales(max_time_scale)
            layers.append(AGaLiTeLayer(attention, hidden_size, mlp_size, gate_bias))
        super().__init__(input_size, hidden_size, layers)
        self.embed = nn.Sequential(init_orthogonal(Linear(input_size, hidden_size)), nn.ReLU())


class AGaLiTeLayer(Layer):
    """Attention and a perceptron, each gated; the arguments are those of `AGaLiTe`."""

    def __init__(
        self, attention: ApproximateAttention, hidden_size: int, mlp_size: int, gate_bias: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.attention = attention
        self.attention_gate = Gate(hidden_size, gate_bias)
        self.mlp = nn.Sequential(
            nn.LayerNorm(hidden_size),
            init_orthogonal(Linear(hidden_size, mlp_size)),
            nn.ReLU(),
            init_orthogonal(Linear(mlp_size, hidden_size)),
        )
        self.mlp_gate = Gate(hidden_size, gate_bias)

    def carry_spec(self) -> CarrySpec:
        """State what the attention carries."""
        return self.attention.carry_spec()

    def forward(self, u: Tensor, memory: ScanMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        u = self.attention_gate(u, relu(self.attention(self.norm(u), memory)))
        return self.mlp_gate(u, relu(self.mlp(u)))
