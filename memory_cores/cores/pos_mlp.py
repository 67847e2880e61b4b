"""POPGym's positional MLP: knows which row of the episode it is at, and remembers nothing else."""

import torch
from torch import Tensor, nn

from engram.common.dense import Linear
from engram.common.option_types import Positive, Size
from engram.memory_cores.base import MemoryCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, state_dtype
from engram.memory_cores.cores.mlp import MLP
from engram.memory_cores.memory import Memory


class PosMLP(MemoryCore):
    """A perceptron on a mix of the input and the row's number n in its episode.

    u = (1 - s) LN(W x + b) + s PE(n), where s is learnt, and PE(n) are the sines and cosines of n p^(-2i / H),
    i = 0 … H/2 - 1, side by side; then layers of linear map and LeakyReLU. The norm has no parameters.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the mix, the layers and the output. Default: 256.
        num_layers: Number of layers after the mix. Default: 2.
        max_length: p; rows further apart than some 6 p may look alike. Default: 1024.

    Source: Morad et al., "POPGym: benchmarking partially observable reinforcement learning", 2023; s begins as ½
    there too, and is held in (0, 1) by a sigmoid where that clips it.
    """

    card = CoreCard(
        family="other",
        step_cost="O(H (I + L H)), L layers",
        training_cost="O(T H (I + L H)); rows are independent",
        memory_length="none, but for the number of the row",
        choose_when=(
            "It is to be shown whether knowing the time is all a task needs: the control that is best on some of "
            "POPGym's. Not a memory."
        ),
        shown_by="popgym/count_recall_medium",
    )

    def __init__(
        self, input_size: Size, hidden_size: Size = 256, num_layers: Size = 2, max_length: Positive = 1024.0
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.embed = nn.Sequential(
            Linear(input_size, hidden_size), nn.LayerNorm(hidden_size, elementwise_affine=False)
        )
        self.strength = nn.Parameter(torch.zeros(()))
        self.mlp = MLP(hidden_size, hidden_size, num_layers).layers
        self.max_length = max_length

    def carry_spec(self) -> CarrySpec:
        """State `count`, [B] int64: rows the episode has had."""
        return {"count": Leaf((), "count")}

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Mix each row with its number, and apply the layers."""
        u, strength = self.embed(x), self.strength.sigmoid()
        place = self._encode(memory.position("count"), state_dtype(u.dtype)).to(u.dtype)
        return self.mlp((1 - strength) * u + strength * place)

    def _encode(self, position: Tensor, dtype: torch.dtype) -> Tensor:
        """Encode numbers of rows, [*], as [*, hidden_size]."""
        exponent = (
            torch.arange(0, self.output_size, 2, device=position.device, dtype=dtype) / self.output_size
        )
        angle = position.to(dtype).unsqueeze(-1) * self.max_length**-exponent
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)[..., : self.output_size]
