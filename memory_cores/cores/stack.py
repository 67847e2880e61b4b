"""Residual layers of any core; a core itself."""

from collections.abc import Callable

from torch import Tensor, nn

from engram.common.checked import require
from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.base import MemoryCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec
from engram.memory_cores.memory import Memory


class Stack(MemoryCore):
    """`num_layers` cores of equal width, each u + core(LayerNorm(u)).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        make_layer: Makes a core from `input_size`; its output must be `hidden_size` wide.
        hidden_size: Width of the layers and of the output. Default: 256.
        num_layers: Number of cores. Default: 2.
    """

    card = CoreCard(
        family="other",
        step_cost="L times its core's, L layers",
        training_cost="L times its core's",
        memory_length="its core's",
        choose_when=(
            "A core that has a single layer needs depth, with the residual connections and norms that make it train. "
            "Not for S5, which has layers of its own."
        ),
        shown_by="diagnostic/recall_first",
    )

    def __init__(
        self,
        input_size: Size,
        make_layer: Callable[..., MemoryCore],
        hidden_size: Size = 256,
        num_layers: Size = 2,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.embed = Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        cores = [make_layer(input_size=hidden_size) for _ in range(num_layers)]
        width = cores[0].output_size
        require(
            width == hidden_size, "hidden_size", f"the output_size of its cores ({width})", hidden_size, self
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in cores)
        self.cores = nn.ModuleList(cores)

    def carry_spec(self) -> CarrySpec:
        """State the layers' carries under `layer_0`, `layer_1`, …."""
        return {f"layer_{index}": core for index, core in enumerate(self.cores)}

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Run the layers, each u + core(LayerNorm(u))."""
        u = self.embed(x)
        for index, (norm, core) in enumerate(zip(self.norms, self.cores, strict=True)):
            u = u + memory.core(f"layer_{index}", core, norm(u))
        return u
