"""xLSTM: matrix and scalar memories in turn."""

import torch

from engram.common.checked import require
from engram.common.option_types import Count, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.cores.mlstm import BLOCK_SIZE, MatrixLSTM
from engram.memory_cores.cores.slstm import InitSLSTM, scalar_block
from engram.memory_cores.layered_core import LayeredCore, ResidualLayer
from engram.memory_cores.matrix_core import MatrixCore
from engram.memory_cores.short_convolution import Taps
from engram.memory_cores.time_scales import TimeScale


class XLSTM(LayeredCore, MatrixCore):
    """xLSTM[k−1:1]: of k blocks, k − 1 are those of `MLSTM`, and the last is that of `SLSTM`, with their equations.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output; a multiple of `num_heads`. Default: 128.
        num_layers: Number of blocks. Default: 2.
        slstm_every: k; 2 alternates them. Default: 2.
        num_heads: Heads of either. Default: 4.
        inner_size: Width of all heads of an mLSTM together, a multiple of 4 times `num_heads`. Default: 128.
        convolution_size: Rows that the short convolutions see. Default: 4.
        mlp_size: As of `SLSTM`, behind its blocks alone. Default: None.
        init: As of `SLSTM`; those of `MLSTM` begin as published. Default: "chrono".
        max_time_scale: As of `SLSTM`. Default: 256.

    Raises:
        ValueError: `hidden_size` is no multiple of `num_heads`, or `inner_size` of 4 `num_heads`.

    Source: Beck et al., "xLSTM: extended long short-term memory", 2024.
    """

    card = CoreCard(
        family="matrix",
        step_cost="that of an mLSTM's and an sLSTM's layers",
        training_cost="that of an mLSTM's and an sLSTM's layers; the latter's rows go one by one",
        memory_length="its gates decide, as an mLSTM's and an sLSTM's do",
        choose_when=(
            "Much is to be kept in detail, and states are to be tracked too: one kind of layer does what the other "
            "cannot. Where one of the two is enough, its own core is faster."
        ),
        shown_by="diagnostic/recall_pairs",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Count = 2,
        slstm_every: Count = 2,
        num_heads: Count = 4,
        inner_size: Size = 128,
        convolution_size: Taps = 4,
        mlp_size: Size | None = None,
        init: InitSLSTM = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        for name, size, multiple in (
            ("hidden_size", hidden_size, num_heads),
            ("inner_size", inner_size, BLOCK_SIZE * num_heads),
        ):
            require(size % multiple == 0, name, f"a multiple of {multiple}", size, self)

        def make_block(index: int) -> ResidualLayer:
            if (index + 1) % slstm_every == 0:
                place = (index, num_layers)
                options = (hidden_size, num_heads, convolution_size, mlp_size, init, max_time_scale)
                return scalar_block(*options, place)
            forget_bias = torch.linspace(3.0, 6.0, num_heads)
            mixer = MatrixLSTM(hidden_size, inner_size, convolution_size, forget_bias, num_layers)
            return ResidualLayer(hidden_size, mixer)

        super().__init__(input_size, hidden_size, [make_block(index) for index in range(num_layers)])
