"""A feed-forward core: the control that remembers nothing."""

from itertools import pairwise

from torch import Tensor, nn

from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.base import MemoryCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec
from engram.memory_cores.memory import Memory


class MLP(MemoryCore):
    """Layers of linear map and LeakyReLU, applied to each row alone. The carry is empty.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the layers and of the output. Default: 256.
        num_layers: Number of layers. Default: 2.
    """

    card = CoreCard(
        family="other",
        step_cost="O(H (I + L H)), L layers",
        training_cost="O(T H (I + L H)); rows are independent",
        memory_length="none",
        choose_when="It is to be shown that a task needs memory at all: the control.",
        shown_by="diagnostic/discounting_chain",
    )

    def __init__(self, input_size: Size, hidden_size: Size = 256, num_layers: Size = 2) -> None:
        super().__init__(input_size, hidden_size)
        widths = [input_size] + [hidden_size] * num_layers
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers += [Linear(width_in, width_out), nn.LeakyReLU()]
        self.layers = nn.Sequential(*layers)

    def carry_spec(self) -> CarrySpec:
        """State that nothing is carried."""
        return {}

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Apply the layers to each row."""
        return self.layers(x)
