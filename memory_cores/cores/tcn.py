"""TCN: residual blocks of dilated causal convolutions over the rows of the episode."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from engram.common.dense import linear
from engram.common.option_types import Size, Whole
from engram.memory_cores.cache_core import CacheMemory, LayeredCacheCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.layered_core import Layer


class TCN(LayeredCacheCore):
    """Blocks u' = relu(u + F(u)), where F is twice a causal convolution and a ReLU; block i's dilation is 2^i.

    A convolution is y[t] = b + Σ_j W_j x[t - j d], j = 0 … k - 1, over the rows of the episode alone. Its weights are
    normalised: the row of (W_0 … W_k-1) that makes an output has a direction and a length, each learnt. With L blocks a
    row sees 2 (k - 1) (2^L - 1) rows before it. Dropout, which the publication has in F, would make an agent's acting
    and learning disagree, and is left out.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the blocks and of the output. Default: 128.
        num_layers: Number of blocks, L. Default: 6.
        kernel_size: Rows a convolution sees, k. Default: 3.

    Source: Bai et al., "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling",
    2018. POPGym's baseline of that name is a single convolution of 4 rows.
    """

    card = CoreCard(
        family="cache",
        step_cost="O(L k H H), L blocks of kernels of k rows, however long the window",
        training_cost="O(T L k H H); parallel in each block",
        memory_length="exactly 2 (k - 1) (2^L - 1) rows, 252 at first; none faded",
        choose_when=(
            "What matters lies at fixed distances within a known window: fast, and simple to train. Not where it lies "
            "anywhere in the past, since rows are told apart by their age alone, nor where the carry must be small."
        ),
        shown_by="popgym/repeat_previous_medium",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Annotated[int, Whole(1, 16)] = 6,
        kernel_size: Annotated[int, Whole(2, 256)] = 3,
    ) -> None:
        # All blocks together begin no larger than the stream they are added to.
        layers = [TCNBlock(hidden_size, kernel_size, 2**index, 2 / num_layers) for index in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)


class TCNBlock(Layer):
    """Two dilated convolutions and a residual connection.

    Args:
        width: Of input and output.
        taps: Rows a convolution sees.
        dilation: Rows from one of these to the next.
        scale: Initial variance of F before its last ReLU, for an input of variance 1.
    """

    def __init__(self, width: int, taps: int, dilation: int, scale: float) -> None:
        super().__init__()
        self.taps, self.dilation = taps, dilation
        self.ring = Leaf(((taps - 1) * dilation, width), "stored")
        self.first = NormalizedLinear(taps * width, width, 2.0)
        self.second = NormalizedLinear(taps * width, width, scale)

    def carry_spec(self) -> CarrySpec:
        """State `first` and `second`, a convolution's last inputs each: row n of the episode in slot n modulo slots."""
        return {"first": self.ring, "second": self.ring}

    def forward(self, u: Tensor, memory: CacheMemory) -> Tensor:
        """Run rows [*, width] with the block's part of the memory."""
        v = relu(self.first(memory.look_back("first", u, self.taps, self.dilation).flatten(-2)))
        v = relu(self.second(memory.look_back("second", v, self.taps, self.dilation).flatten(-2)))
        return relu(u + v)


class NormalizedLinear(nn.Module):
    """y = g ⊙ (V x / |V|) + b, with the norm of each of V's rows; g begins as the norms, so that it begins as V x.

    Args:
        size_in: Width of the input.
        size_out: Width of the output.
        scale: Initial variance of the output, for an input of variance 1; V is drawn from N(0, scale / size_in).

    Source: Salimans and Kingma, "Weight normalization", 2016.
    """

    def __init__(self, size_in: int, size_out: int, scale: float) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.randn(size_out, size_in) * (scale / size_in) ** 0.5)
        self.length = nn.Parameter(self.direction.detach().norm(dim=1, keepdim=True))
        self.bias = nn.Parameter(torch.zeros(size_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map [*, size_in] to [*, size_out]."""
        weight = self.length * self.direction / self.direction.norm(dim=1, keepdim=True)
        return linear(x, weight, self.bias)
