"""A linear layer for rows and states that are wider than the parameters."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class WideLinear(nn.Linear):
    """A linear layer that computes in the dtype of what comes in, which may be wider than its parameters."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [*, in_features] to [*, out_features]."""
        bias = None if self.bias is None else self.bias.to(input.dtype)
        return linear(input, self.weight.to(input.dtype), bias)

    def plus(self, drive: Tensor, state: Tensor, scale: float = 1.0) -> Tensor:
        """Compute drive + scale · W state in one operator, without the bias; [B, out_features]."""
        return torch.addmm(drive, state, self.weight.to(state.dtype).mT, alpha=scale)
