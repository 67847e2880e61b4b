"""Small feed-forward pieces: activations, orthogonal initialisation, multilayer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def make_activation(name: str) -> nn.Module:
    """Make an activation by name.

    Args:
        name: one of `ACTIVATIONS`.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(
            f"An activation is one of {', '.join(ACTIVATIONS)}, but got {name!r}; choose one of these."
        )
    return ACTIVATIONS[name]()


def linear(input_size: int, output_size: int, gain: float = math.sqrt(2.0)) -> nn.Linear:
    """Make a linear layer with orthogonal weights of the given gain and zero bias."""
    layer = nn.Linear(input_size, output_size)
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

    Raises:
        ValueError: for a width below 1.

    Attributes:
        output_size: features out.
    """

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        activation: str = "leaky_relu",
        gain: float = math.sqrt(2.0),
        layer_norm: bool = False,
    ) -> None:
        if any(size < 1 for size in hidden_sizes):
            raise ValueError(
                f"A layer's width must be a whole number of at least 1, but got {list(hidden_sizes)}; change it."
            )
        layers: list[nn.Module] = []
        width = input_size
        for index, hidden_size in enumerate(hidden_sizes):
            layers.append(linear(width, hidden_size, gain))
            if layer_norm and index == 0:
                layers.append(nn.LayerNorm(hidden_size, elementwise_affine=False))
            else:
                layers.append(make_activation(activation))
            width = hidden_size
        super().__init__(*layers)
        self.output_size = width
