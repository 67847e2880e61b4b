"""A layer around a state-space model: norm, activation and residual connection."""

from abc import ABC, abstractmethod
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import gelu

from engram.common.dense import Linear
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.layered_core import Layer
from engram.memory_cores.scan_core import Scan, ScanMemory
from engram.memory_cores.state_space.transition import Modes

Activation = Literal["full_glu", "half_glu1", "half_glu2", "gelu"]


class StateSpaceModel(nn.Module, ABC):
    """A linear map of sequences, through states that move linearly from row to row."""

    @abstractmethod
    def modes(self) -> Modes:
        """State the parameters of its modes."""

    @abstractmethod
    def leaf(self) -> Leaf:
        """State the shape, the kind and the beginning of its states."""

    @abstractmethod
    def forward(self, u: Tensor, coefficients: tuple[Tensor, Tensor], scan: Scan) -> Tensor:
        """Run rows.

        Args:
            u: Inputs, [*, hidden_size], where * is [B, T] in a sequence and [B] in a step.
            coefficients: Ā and the scale of what drives it, as its `modes` give them rounded.
            scan: Maps transitions and inputs of the states to the states after every row.

        Returns:
            Outputs, [*, hidden_size].
        """


class StateSpaceLayer(Layer):
    """u + activation(SSM(norm(u))), where an activation other than "gelu" mixes the channels.

    Args:
        ssm: The state-space model.
        hidden_size: Width of input and output.
        activation: With g = GELU(v), "full_glu": (W g + b) ⊙ σ(W' g + b'), "half_glu1": g ⊙ σ(W g + b),
            "half_glu2": v ⊙ σ(W g + b), "gelu": g.
        prenorm: Normalise the input.
        postnorm: Normalise the output.
    """

    def __init__(
        self, ssm: StateSpaceModel, hidden_size: int, activation: Activation, prenorm: bool, postnorm: bool
    ) -> None:
        super().__init__()
        self.ssm = ssm
        self.activation = activation
        self.prenorm = nn.LayerNorm(hidden_size) if prenorm else nn.Identity()
        self.postnorm = nn.LayerNorm(hidden_size) if postnorm else nn.Identity()
        self.value = Linear(hidden_size, hidden_size) if activation == "full_glu" else nn.Identity()
        self.gate = Linear(hidden_size, hidden_size) if activation != "gelu" else nn.Identity()

    def carry_spec(self) -> CarrySpec:
        """State `state`, that of the state-space model."""
        return {"state": self.ssm.leaf()}

    def forward(self, u: Tensor, memory: ScanMemory) -> Tensor:
        """Run rows [*, hidden_size]; see the class."""
        coefficients = memory.constant("coefficients", self.ssm.modes().rounded)
        v = self.ssm(self.prenorm(u), coefficients, partial(memory.scan, "state"))
        g = gelu(v)
        if self.activation == "gelu":
            mixed = g
        else:
            mixed = (v if self.activation == "half_glu2" else self.value(g)) * self.gate(g).sigmoid()
        return self.postnorm(u + mixed)
