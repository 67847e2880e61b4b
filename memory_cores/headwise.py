"""Linear layers of heads side by side: a block-diagonal weight."""

import torch
from torch import Tensor, nn


class HeadwiseLinear(nn.Module):
    """Maps each head's part of a row by itself, without a bias, in the dtype of the row.

    Args:
        width: Of the input; a multiple of `heads`.
        heads: Number of blocks.
        outputs: Numbers that each head puts out. Default: as many as it takes.

    The parameter `weight` is [heads, outputs, width / heads], from N(0, 2 / (5 width)).
    """

    def __init__(self, width: int, heads: int, outputs: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        size = width // heads
        self.weight = nn.Parameter(torch.randn(heads, outputs or size, size) * (2 / (5 * width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows [*, width] to rows of heads, [*, heads, outputs]."""
        return torch.einsum("...hi,hoi->...ho", x.unflatten(-1, (self.heads, -1)), self.weight.to(x.dtype))
