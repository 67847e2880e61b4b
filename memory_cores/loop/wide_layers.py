"""Layers that compute in the dtype of what comes in, which may be wider than their parameters, as states are."""

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from engram.common.dense import Linear, linear


class WideLinear(Linear):
    """A linear layer in the dtype of its input."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [*, in_features] to [*, out_features]."""
        bias = None if self.bias is None else self.bias.to(input.dtype)
        return linear(input, self.weight.to(input.dtype), bias)

    def plus(self, drive: Tensor, state: Tensor, scale: float = 1.0) -> Tensor:
        """Compute drive + scale · W state in one operator, without the bias; [B, out_features]."""
        return torch.addmm(drive, state, self.weight.to(state.dtype).mT, alpha=scale)


class WideLayerNorm(nn.LayerNorm):
    """A layer norm in the dtype of its input."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise the last dimension."""
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        return layer_norm(input, self.normalized_shape, weight, bias, self.eps)
