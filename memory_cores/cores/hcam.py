"""HCAM: hierarchical attention to a memory of chunks, on top of a short-term memory."""

from collections.abc import Callable

from torch import Tensor, nn

from engram.common.checked import require
from engram.common.option_types import Size
from engram.memory_cores.base import MemoryCore
from engram.memory_cores.cache.chunk_attention import ChunkAttention
from engram.memory_cores.cache_core import CacheMemory, LayeredCacheCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.cores.lstm import LSTM
from engram.memory_cores.layered_core import Layer


class HCAM(LayeredCacheCore):
    """Layers of an inner memory and of a read from the episode's past, v = u + inner(LN(u)), v + read(LN(v)).

    The episode's rows are stored in chunks of `chunk_length`, each summarised by the mean of its tokens; the last
    `num_chunks` complete ones are kept. A read scores the summaries, and attends inside the `top_k` best chunks
    (see `ChunkAttention`). A row sees what was stored before it. What is stored of a row is LN(v).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 256.
        num_layers: Number of layers, each with an inner memory and a store of its own. Default: 1.
        num_chunks: Complete chunks kept. Default: 16.
        chunk_length: Rows of a chunk. Default: 16.
        top_k: Chunks read, at most `num_chunks`. Default: 8.
        num_heads: Attention heads inside a chunk; a divisor of `hidden_size`. Default: 4.
        attend_partial: Read the chunk that is being filled too, besides the `top_k`. Without it, a row is out of
            sight until its chunk is complete, and the inner memory has to bridge that. Default: True.
        stop_gradient: Stop gradients into what is stored, as published: what a row stores is then learnt from
            its own read and output alone, and the store's keys take no gradient. Default: True.
        make_inner: Makes the inner memory from `input_size`; its output must be `hidden_size` wide. None: an
            LSTM. Default: None.

    Source: Lampinen et al., "Towards mental time travel: a hierarchical memory for reinforcement learning
    agents", 2021.
    """

    card = CoreCard(
        family="cache",
        step_cost="O(L (H H + M H + k C H)), L layers, the best k of M chunks of C rows",
        training_cost="O(T L (H H + (M C + S) H)) in slices of S rows; parallel in each layer but for the inner core",
        memory_length="exactly the last M C rows in whole chunks, none of them faded; older chunks are overwritten",
        choose_when=(
            "Single events must be recalled in detail after a long time. Not where the carry must be small (M C H "
            "numbers a layer); with gradients into the store stopped, what is stored is shaped only by its own row."
        ),
        shown_by="diagnostic/memory_chain",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        num_layers: Size = 1,
        num_chunks: Size = 16,
        chunk_length: Size = 16,
        top_k: Size = 8,
        num_heads: Size = 4,
        attend_partial: bool = True,
        stop_gradient: bool = True,
        make_inner: Callable[..., MemoryCore] | None = None,
    ) -> None:
        is_multiple = hidden_size % num_heads == 0
        require(is_multiple, "hidden_size", f"a multiple of num_heads ({num_heads})", hidden_size, self)
        require(top_k <= num_chunks, "top_k", f"at most num_chunks ({num_chunks})", top_k, self)
        layers = []
        for _ in range(num_layers):
            inner = (
                LSTM(hidden_size, hidden_size) if make_inner is None else make_inner(input_size=hidden_size)
            )
            expected = f"the output_size of its inner core ({inner.output_size})"
            require(inner.output_size == hidden_size, "hidden_size", expected, hidden_size, self)
            read = ChunkAttention(hidden_size, num_chunks, chunk_length, top_k, num_heads, attend_partial)
            layers.append(HCAMLayer(inner, read, stop_gradient))
        super().__init__(input_size, hidden_size, layers)


class HCAMLayer(Layer):
    """An inner memory and a read from chunks, each residual and with a norm before it.

    Args:
        inner: The inner memory, as wide as the layer.
        read: The read.
        stop_gradient: Stop gradients into what is stored.
    """

    def __init__(self, inner: MemoryCore, read: ChunkAttention, stop_gradient: bool) -> None:
        super().__init__()
        self.inner_norm = nn.LayerNorm(inner.output_size)
        self.inner = inner
        self.read_norm = nn.LayerNorm(inner.output_size)
        self.read = read
        self.stop_gradient = stop_gradient

    def carry_spec(self) -> CarrySpec:
        """State `inner`, the inner memory's carry, `tokens` and `sums`.

        `tokens` [B, (num_chunks + 1) * chunk_length, hidden_size] has row n of the episode in slot n modulo the number
        of slots; `sums` [B, num_chunks + 1, hidden_size] are those of a chunk's tokens each, the one being filled
        included.
        """
        blocks, width, learns = self.read.num_chunks + 1, self.inner.output_size, not self.stop_gradient
        tokens = Leaf((blocks * self.read.chunk_length, width), "stored", takes_gradient=learns)
        return {"inner": self.inner, "tokens": tokens, "sums": Leaf((blocks, width), takes_gradient=learns)}

    def forward(self, u: Tensor, memory: CacheMemory) -> Tensor:
        """Run rows [*, hidden_size] with the layer's part of the memory."""
        v = u + memory.core("inner", self.inner, self.inner_norm(u))
        return v + memory.recall(self.read, self.read_norm(v), self.stop_gradient)
