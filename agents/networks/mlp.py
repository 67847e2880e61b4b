"""Small feed-forward pieces: activations, orthogonal initialisation, multilayer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import nn

from engram.common.checked import checked
from engram.common.dense import Linear
from engram.common.option_types import Size

Activation = Literal["relu", "leaky_relu", "tanh", "gelu", "silu"]
Norm = Literal["none", "layer"]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def linear(input_size: int, output_size: int, gain: float = math.sqrt(2.0)) -> nn.Linear:
    """Make a linear layer with orthogonal weights of the given gain and zero bias."""
    layer = Linear(input_size, output_size)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class MLP(nn.Sequential):
    """Linear layers with orthogonal weights and an activation after each.

    Args:
        input_size: features in.
        hidden_sizes: width of every layer; empty means the identity.
        activation: name of the activation after each layer.
        gain: gain of the orthogonal weights.
        layer_norm: follow the first linear layer by a LayerNorm without parameters instead of the
            activation, as POPGym's models do.
        norm: `layer` puts a LayerNorm between every linear layer and its activation, as PQN does.

    Raises:
        ValueError: for a width below 1.

    Attributes:
        output_size: features out.
    """

    @checked
    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[Size],
        activation: Activation = "leaky_relu",
        gain: float = math.sqrt(2.0),
        layer_norm: bool = False,
        norm: Norm = "none",
    ) -> None:
        layers: list[nn.Module] = []
        width = input_size
        for index, hidden_size in enumerate(hidden_sizes):
            layers.append(linear(width, hidden_size, gain))
            if layer_norm and index == 0:
                layers.append(nn.LayerNorm(hidden_size, elementwise_affine=False))
            else:
                layers += [nn.LayerNorm(hidden_size)] if norm == "layer" else []
                layers.append(ACTIVATIONS[activation]())
            width = hidden_size
        super().__init__(*layers)
        self.output_size = width
