"""Relational memory core, with resets: slots that attend to each other."""

from typing import Literal

import torch
from torch import Tensor

from engram.common.checked import require
from engram.common.dense import Linear
from engram.common.option_types import Count, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop.wide_layers import WideLayerNorm, WideLinear
from engram.memory_cores.loop_core import LoopCore, States
from engram.memory_cores.memory import Memory
from engram.memory_cores.time_scales import TimeScale, chrono_bias


class RMC(LoopCore):
    """Memory slots M, [N, F], which attend to each other and to the input, and are then gated as an LSTM's cell.

    e = W x; of the rows r of [M; e] q, k, v = LN(A r); P = M + softmax(q kᵀ / √d) v by heads of d units; R = LN(P);
    R = LN(R + MLP(R)); i, f = σ(G tanh(M) + H e + b); M' = i ⊙ tanh(R) + f ⊙ M. The output is linear in all of M'.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the output. Default: 256.
        num_slots: N. Default: 4.
        num_heads: Heads of the attention. Default: 4.
        head_size: d; F is `num_heads` times it. Default: 16.
        init: "chrono": the units begin with time scales from 2 to `max_time_scale` rows (`chrono_bias`) in f and their
            opposites in i; "published": biases 1 in f and 0 in i, which forgets within a few rows. Default: "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Source: Santoro et al., "Relational recurrent neural networks", 2018, with one block of attention, gates of each
    unit, an MLP of two layers whose last is linear, and slots that begin as rows of the unit matrix, as in its code.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(F I + N F (F + N) + N F H), N slots of F units",
        training_cost="O(T (F I + N F (F + N) + N F H)); all of the slots' work goes row by row, in many small steps",
        memory_length="what its gates learn to keep, as far back as gradients reach, as an LSTM's",
        choose_when=(
            "Things that are kept must be compared with each other, not with the input alone. Every row runs an "
            "attention: the slowest loop for what it carries."
        ),
        shown_by="popgym/higher_lower_easy",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        num_slots: Count = 4,
        num_heads: Count = 4,
        head_size: Count = 16,
        init: Literal["chrono", "published"] = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        super().__init__(input_size, hidden_size)
        width = num_heads * head_size
        require(width >= num_slots, "num_slots", f"at most num_heads * head_size ({width})", num_slots, self)
        self.num_slots, self.num_heads, self.width = num_slots, num_heads, width
        self.input = WideLinear(input_size, width)
        self.attention = WideLinear(width, 3 * width)  # of every head q, k and v side by side
        self.attention_norm, self.slot_norm, self.mlp_norm = (
            WideLayerNorm(size) for size in (3 * width, width, width)
        )
        self.mlp_first, self.mlp_last = WideLinear(width, width), WideLinear(width, width)
        self.gates_of_slots = WideLinear(width, 2 * width, bias=False)  # i and f
        self.gates_of_input = WideLinear(width, 2 * width)
        self.readout = Linear(num_slots * width, hidden_size)
        forget = chrono_bias(width, max_time_scale) if init == "chrono" else torch.ones(width)
        self.gates_of_input.bias.data = torch.cat([-forget if init == "chrono" else 0 * forget, forget])

    def carry_spec(self) -> CarrySpec:
        """State `slots`, [B, num_slots, width]: rows of the unit matrix at first, so that they differ."""
        start = torch.eye(self.num_slots, self.width, device=self.input.weight.device)
        return {"slots": Leaf((self.num_slots, self.width), initial=start)}

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Run the loop and read all slots; see `MemoryCore.equations`."""
        return self.readout(super().equations(x, memory).to(x.dtype))

    def drive(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute key and value of the input, [*, 1, num_heads, 2 d], and its part of the gates, [*, 1, 2 F]."""
        embedded = self.input(x).unsqueeze(-2)
        return self._project(embedded)[1], self.gates_of_input(embedded)

    def row(self, drive: tuple[Tensor, Tensor], states: States) -> tuple[Tensor, States]:
        """Move the slots by one row; see `RowLoop.row`."""
        slots = states["slots"]
        query, own = self._project(slots)
        key, value = (
            torch.cat([own, drive[0]], dim=1).transpose(1, 2).chunk(2, dim=-1)
        )  # [B, heads, N + 1, d]
        weights = (query.transpose(1, 2) @ key.mT * key.shape[-1] ** -0.5).softmax(dim=-1)
        related = self.slot_norm(slots + (weights @ value).transpose(1, 2).flatten(-2))
        related = self.mlp_norm(related + self.mlp_last(self.mlp_first(related).relu()))
        write, keep = (self.gates_of_slots(slots.tanh()) + drive[1]).sigmoid().chunk(2, dim=-1)
        slots = torch.addcmul(keep * slots, write, related.tanh())
        return slots.flatten(-2), {"slots": slots}

    def _project(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the query, [*, num_heads, d], and key and value side by side, of rows [*, F]."""
        size = self.width // self.num_heads
        heads = self.attention_norm(self.attention(rows)).unflatten(-1, (self.num_heads, 3 * size))
        query, key_value = heads.split([size, 2 * size], dim=-1)
        return query, key_value
