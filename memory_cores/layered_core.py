"""Cores that are a stack of layers of one kind, each with a memory of its own."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import gelu

from engram.common.dense import Linear
from engram.memory_cores.base import MemoryCore
from engram.memory_cores.carry import CarrySpec
from engram.memory_cores.memory import Memory


class Layer(nn.Module, ABC):
    """One layer as its publication has it, norm, gate and residual connection included; as wide out as in."""

    @abstractmethod
    def carry_spec(self) -> CarrySpec:
        """State what the layer carries; see `MemoryCore.carry_spec`."""

    @abstractmethod
    def forward(self, u: Tensor, memory: Any) -> Tensor:
        """Map rows to rows.

        Args:
            u: Rows, [*, hidden_size], where * is [B, T] in a sequence and [B] in a step.
            memory: What the layer carries; of its core's `memory_class`.

        Returns:
            Rows, [*, hidden_size].
        """


class LayeredCore(MemoryCore):
    """A core whose `equations` are those of its layers, one after the other.

    The family is given beside it, as in `class LRU(LayeredCore, ScanCore)`; a subclass makes the layers and hands them
    to this constructor.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output.
        layers: From the input's to the output's.
    """

    def __init__(self, input_size: int, hidden_size: int, layers: Iterable[Layer]) -> None:
        super().__init__(input_size, hidden_size)
        self.embed: nn.Module = (
            Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        )
        self.layers = nn.ModuleList(layers)

    def carry_spec(self) -> CarrySpec:
        """State the layers' carries under `layer_0`, `layer_1`, …."""
        return {f"layer_{index}": layer.carry_spec() for index, layer in enumerate(self._layers())}

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Run the layers, each on a part of the memory."""
        u = self.embed(x)
        for index, layer in enumerate(self._layers()):
            u = layer(u, memory.at(f"layer_{index}"))
        return u

    def _layers(self) -> Iterator[Layer]:
        for layer in self.layers:
            assert isinstance(layer, Layer)
            yield layer


class ResidualLayer(Layer):
    """A layer of the shape u' = u + mixer(LN(u)), out = u' + MLP(LN(u')), the perceptron only if it is asked for.

    Args:
        hidden_size: Width of the layer.
        mixer: What goes from row to row, itself a layer.
        mlp_size: Width of the perceptron's hidden layer; None leaves it out. Default: None.
        gated: The hidden layer is GELU(G v) ⊙ V v in the place of GELU(V v). Default: False.
    """

    def __init__(
        self, hidden_size: int, mixer: Layer, mlp_size: int | None = None, gated: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.mixer = mixer
        self.mlp = None
        if mlp_size is not None:
            self.mlp = nn.Sequential(
                nn.LayerNorm(hidden_size),
                Linear(hidden_size, 2 * mlp_size if gated else mlp_size),
                GatedGELU() if gated else nn.GELU(),
                Linear(mlp_size, hidden_size),
            )

    def carry_spec(self) -> CarrySpec:
        """State what the mixer carries."""
        return self.mixer.carry_spec()

    def forward(self, u: Tensor, memory: Any, *given: Any) -> Tensor:
        """Run rows; see `Layer.forward`. What else is given goes to the mixer."""
        u = u + self.mixer(self.norm(u), memory, *given)
        return u if self.mlp is None else u + self.mlp(u)


class GatedGELU(nn.Module):
    """GELU of the first half, times the second half."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [*, 2 n] to [*, n]."""
        gate, value = x.chunk(2, dim=-1)
        return gelu(gate) * value
