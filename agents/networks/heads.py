"""What reads a memory's output: layers of its own, and a last one that never computes in half precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.agents.networks.mlp import MLP, Activation, linear
from engram.agents.precision import without_autocast


class Head(nn.Sequential):
    """A multilayer perceptron and a linear layer.

    Args:
        input_size: features in.
        hidden_sizes: widths of the perceptron.
        num_outputs: numbers out.
        activation: of the perceptron.
        hidden_gain: orthogonal gain of its layers.
        gain: orthogonal gain of the last layer.
    """

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        num_outputs: int,
        activation: Activation = "leaky_relu",
        hidden_gain: float = 2.0,
        gain: float = 1.0,
    ) -> None:
        body = MLP(input_size, hidden_sizes, activation, hidden_gain)
        super().__init__(body, linear(body.output_size, num_outputs, gain))

    def forward(self, x: Tensor) -> Tensor:
        """Map `[*, input_size]` to `[*, num_outputs]`, in the dtype of the parameters.

        Half precision would round values and log-probabilities.
        """
        body, last = self
        hidden = body(x)
        with without_autocast(hidden.device):
            outputs: Tensor = last(hidden.to(last.weight.dtype))
        return outputs


class Encoded(NamedTuple):
    """What a network's encoder and memory core make of rows, for its heads to read.

    Attributes:
        x: what goes into the core, `[*, n]`.
        y: what comes out of it, `[*, m]`.
        critic: the same of the critic's own encoder and core, if it has them.
    """

    x: Tensor
    y: Tensor
    critic: Encoded | None = None


def beside(y: Tensor, x: Tensor, shortcut: bool) -> Tensor:
    """Put the features x beside a core's output y, if there is a shortcut."""
    return torch.cat([x, y], dim=-1) if shortcut else y
