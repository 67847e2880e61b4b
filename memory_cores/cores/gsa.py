"""Gated slot attention: softmax attention to a few slots that forget as each row says."""

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import logsigmoid, silu

from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, state_dtype
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix.heads import GatedRead, MatrixLayer, to_heads
from engram.memory_cores.matrix_core import MatrixCore, MatrixMemory
from engram.memory_cores.time_scales import TimeScale, chrono_bias

ROOT = 8


class GSA(LayeredCore, MatrixCore):
    """Layers of gated slot attention: u' = u + Attention(LN(u)), behind it a perceptron if `mlp_size` is given.

    With q, k, v = SiLU(W x) and, of each of M slots, what it keeps, α = σ(W_f x + b)^(1/8): its key and value become
    K'_m = α_m K_m + (1 − α_m) k and V'_m = α_m V_m + (1 − α_m) v, read = Σ_m softmax_m(qᵀ K'_m / √K) V'_m, and the
    layer puts out W_o RMSNorm(SiLU(read)), of all heads together.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Heads of a layer, H. Default: 4.
        num_slots: Slots of a head, M. Default: 32.
        key_size: Width of a head's keys, K. Default: 16.
        value_size: Width of a head's values, V. Default: 32.
        mlp_size: Width of the perceptron's hidden layer; None is no perceptron. Default: None.
        init: Biases b: "chrono", slots begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`);
            "published", zero, which fades by e in some 12 rows. Default: "chrono".
        max_time_scale: Longest initial time scale in rows, for "chrono" alone. Default: 1024.

    Source: Zhang et al., "Gated slot attention for efficient linear-time sequence modeling", 2024, section 3.
    """

    card = CoreCard(
        family="matrix",
        step_cost="O(L (H² + h M (K + V))), L layers, h heads of M slots, with keys of K and values of V",
        training_cost=(
            "O(T L (H² + h (M (K + V) + C (K + M + V)))) in chunks of C rows; only O(T / C) states go one by one"
        ),
        memory_length="`max_time_scale` rows at first, in its slowest slots; each row says which slots it goes to",
        choose_when=(
            "One of a few things is to be picked sharply, as attention would, from a store that stays small. Not "
            "where time counts: two memories are run in turn, at about double the time of GLA."
        ),
        shown_by="diagnostic/recall_pairs",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Size = 2,
        num_heads: Size = 4,
        num_slots: Size = 32,
        key_size: Size = 16,
        value_size: Size = 32,
        mlp_size: Size | None = None,
        init: Literal["chrono", "published"] = "chrono",
        max_time_scale: TimeScale = 1024,
    ) -> None:
        sizes = hidden_size, num_heads, num_slots, key_size, value_size
        longest = max_time_scale if init == "chrono" else None
        layers = [
            ResidualLayer(hidden_size, SlotAttention(*sizes, longest), mlp_size) for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers)


class SlotAttention(MatrixLayer):
    """Heads of slots; see `GSA`.

    Args:
        hidden_size: Width of input and output.
        num_heads: H.
        num_slots: M.
        key_size: K.
        value_size: V.
        max_time_scale: Longest initial time scale; None is no bias. Default: None.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        num_slots: int,
        key_size: int,
        value_size: int,
        max_time_scale: int | None = None,
    ) -> None:
        super().__init__(hidden_size, num_heads, key_size, value_size)
        self.num_slots = num_slots
        self.forget = Linear(hidden_size, num_heads * num_slots, bias=False)
        if max_time_scale is not None:
            self.forget.bias = nn.Parameter(chrono_bias(num_heads * num_slots, max_time_scale, ROOT))
        self.read = GatedRead(hidden_size, 1, num_heads * value_size, gate=False)

    def carry_spec(self) -> CarrySpec:
        """State `keys`, [B, H, K, M], and `values`, [B, H, M, V], of the slots, zero at first."""
        return {
            "keys": Leaf((self.num_heads, self.key_size, self.num_slots)),
            "values": Leaf((self.num_heads, self.num_slots, self.value_size)),
        }

    def forward(self, u: Tensor, memory: MatrixMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        q, k, v = (silu(part) for part in self.heads(u))
        gate = to_heads(self.forget(u), self.num_heads)
        log_decay = logsigmoid(gate.to(state_dtype(gate.dtype))) / ROOT
        written = -log_decay.expm1()
        fit = memory.linear_attention("keys", q * self.key_size**-0.5, k, written, log_decay, of_values=True)
        read = memory.linear_attention("values", fit.softmax(dim=-1), written, v, log_decay)
        return self.read(u, silu(read).flatten(-2).unsqueeze(-2))
