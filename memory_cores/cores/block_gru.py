"""DreamerV3's gated recurrent unit: block-diagonal, normalised inside, slow to update at first."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from engram.common.checked import require
from engram.common.dense import Linear, linear, linear_blocks
from engram.common.option_types import Number, Size
from engram.common.row_gradients import RMSNorm
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop.block_gates import block_gates, join_blocks
from engram.memory_cores.loop_core import LoopCore, States

_NORM_EPSILON = 1e-4
# Standard deviation of a standard normal cut at ±2.
_TRUNCATED_STD = 0.87962566


class BlockGRU(LoopCore):
    """One layer of a GRU whose state is parted into blocks that mix through a narrow projection alone.

    p = silu(rms(V h + v)), s = silu(rms(W x + P p + B h + b)), (r, c, u) = G s + g with B and G block-diagonal;
    h' = h + σ(u + update_bias) ⊙ (tanh(σ(r) ⊙ c) − h).

    Args:
        input_size: Width of the input, an embedding that is normalised and activated already.
        hidden_size: Width of the hidden state and of the output; a multiple of `blocks`. Default: 256.
        projection_size: Width of p, which all blocks read. Default: 256.
        blocks: Blocks of equal size. Default: 8.
        update_bias: Added to the update gate; −1 begins by keeping more than it takes. Default: -1.0.

    Raises:
        ValueError: `blocks` does not divide `hidden_size`.

    Source: Hafner et al., "Mastering diverse domains through world models", 2023, as its code is since 2024, where
    the reset gate acts on the candidate's pre-activation. The initial weights are cut normals whose fan-in counts
    all blocks, as there.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + P + H/G)), P the projection, G blocks",
        training_cost="O(T H (I + P + H/G)); all but the input's product go row by row, in small products",
        memory_length="what its gates learn to keep, as far back as gradients reach, as a GRU's",
        choose_when=(
            "The state is wide, as DreamerV3's: an eighth of a GRU's recurrent weights at 8 blocks. Narrow states are "
            "faster as a GRU."
        ),
        shown_by="memory_maze/9x9",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        projection_size: Size = 256,
        blocks: Size = 8,
        update_bias: Number = -1.0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        require(
            hidden_size % blocks == 0, "hidden_size", f"a multiple of blocks ({blocks})", hidden_size, self
        )
        self.hidden_size, self.blocks, self.update_bias = hidden_size, blocks, update_bias
        block = hidden_size // blocks
        self.projection = Linear(hidden_size, projection_size)
        self.projection_norm = RMSNorm(projection_size, eps=_NORM_EPSILON)
        self.input = Linear(input_size, hidden_size)
        self.shared = Linear(projection_size, hidden_size, bias=False)
        self.own = nn.Parameter(torch.empty(blocks, block, block))
        self.norm = RMSNorm(hidden_size, eps=_NORM_EPSILON)
        self.gate_weight = nn.Parameter(torch.empty(blocks, block, 3 * block))
        self.gate_bias = nn.Parameter(torch.zeros(blocks, 1, 3 * block))
        first_fan = hidden_size + blocks * (input_size + projection_size)
        for weight in (self.input.weight, self.shared.weight, self.own):
            _init_weight(weight, first_fan)
        for weight in (self.projection.weight, self.gate_weight):
            _init_weight(weight, hidden_size)
        for layer in (self.input, self.projection):
            nn.init.zeros_(layer.bias)

    def carry_spec(self) -> CarrySpec:
        """State `hidden`, [B, hidden_size], zero at first, in the parameters' dtype."""
        return {"hidden": Leaf((self.hidden_size,), "stored")}

    def drive(self, x: Tensor) -> Tensor:
        """Compute W x + b, [*, hidden_size]."""
        return self.input(x)

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Move the state by one row; see `RowLoop.row`."""
        hidden = states["hidden"]
        projected = silu(self.projection_norm(self.projection(hidden)))
        own = join_blocks(linear_blocks(self._split(hidden), self.own))
        state = silu(self.norm(drive + linear(projected, self.shared.weight) + own))
        gates = linear_blocks(self._split(state), self.gate_weight, self.gate_bias)  # [G, B, 3 H / G]
        hidden = block_gates(gates, hidden, self.update_bias)
        return hidden, {"hidden": hidden}

    def _split(self, state: Tensor) -> Tensor:
        """Part [B, H] into blocks, [G, B, H / G]."""
        return state.unflatten(-1, (self.blocks, -1)).transpose(0, 1)


def _init_weight(weight: Tensor, fan_in: int) -> None:
    std = fan_in**-0.5 / _TRUNCATED_STD
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)
