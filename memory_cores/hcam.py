"""HCAM: hierarchical attention to a memory of chunks, on top of a short-term memory."""

from collections.abc import Callable, Iterator

import torch
from tensordict import TensorDict
from torch import Tensor, nn

from memory_cores.base import MemoryCore, positive_int, state_dtype
from memory_cores.cache.chunk_attention import ChunkAttention
from memory_cores.cache.chunks import running_sums, sums_after
from memory_cores.cache.store import (
    Timeline,
    clear,
    counts_after,
    finite,
    is_filled,
    take,
    timeline,
    tokens_after,
    write,
)
from memory_cores.card import CoreCard
from memory_cores.lstm import LSTM


class HCAM(MemoryCore):
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
        horizon="exactly the last M C rows in whole chunks, none of them faded; older chunks are overwritten",
        choose_when=(
            "Single events must be recalled in detail after a long time. Not where the carry must be small (M C H "
            "numbers a layer); with gradients into the store stopped, what is stored is shaped only by its own row."
        ),
    )

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 256,
        num_layers: int = 1,
        num_chunks: int = 16,
        chunk_length: int = 16,
        top_k: int = 8,
        num_heads: int = 4,
        attend_partial: bool = True,
        stop_gradient: bool = True,
        make_inner: Callable[..., MemoryCore] | None = None,
    ) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        if hidden_size % positive_int("num_heads", num_heads):
            raise ValueError(
                f"hidden_size must be a multiple of num_heads, got {hidden_size} and {num_heads}; change one of them."
            )
        if positive_int("top_k", top_k) > positive_int("num_chunks", num_chunks):
            raise ValueError(
                f"top_k must be at most num_chunks, got {top_k} and {num_chunks}; keep more chunks or read fewer."
            )
        self.num_blocks = num_chunks + 1
        self.chunk_length = positive_int("chunk_length", chunk_length)
        self.stop_gradient = stop_gradient
        self.embed = nn.Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        layers = []
        for _ in range(positive_int("num_layers", num_layers)):
            inner = (
                LSTM(hidden_size, hidden_size) if make_inner is None else make_inner(input_size=hidden_size)
            )
            if inner.output_size != hidden_size:
                raise ValueError(
                    f"make_inner must make cores with an output of hidden_size {hidden_size}, got "
                    f"{inner.output_size}; give both the same hidden_size."
                )
            read = ChunkAttention(hidden_size, num_chunks, chunk_length, top_k, num_heads, attend_partial)
            layers.append(HCAMLayer(inner, read, stop_gradient))
        self.layers = nn.ModuleList(layers)
        self.carry_keys = (*(f"layer_{index}" for index in range(num_layers)), "count")
        without = [
            (key, "inner", *(name if isinstance(name, tuple) else (name,)))
            for key, layer in self._layers()
            for name in layer.inner.no_gradient_keys
        ]
        if stop_gradient:
            without += [(key, name) for key, _ in self._layers() for name in ("tokens", "sums")]
        self.no_gradient_keys = ("count", *without)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return empty stores.

        `layer_<i>`: `inner`, the inner memory's carry; `tokens` [B, (num_chunks + 1) * chunk_length, hidden_size],
        row n of the episode in slot n modulo the number of slots; `sums` [B, num_chunks + 1, hidden_size], of the
        tokens of a chunk each, the one being filled included. `count` [B] int64: rows the episode has had.
        """
        like, width = self._reference_parameter(), self.output_size
        carry: dict[str, TensorDict | Tensor] = {}
        for key, layer in self._layers():
            stores = {
                "inner": layer.inner.initial_carry(batch_size),
                "tokens": like.new_zeros(batch_size, self.num_blocks * self.chunk_length, width),
                "sums": like.new_zeros(batch_size, self.num_blocks, width, dtype=state_dtype(like.dtype)),
            }
            carry[key] = TensorDict(stores, batch_size=[batch_size])
        carry["count"] = like.new_zeros(batch_size, dtype=torch.int64)
        return TensorDict(carry, batch_size=[batch_size])

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read, layer by layer, the inner memory, the tokens and the sums, zero where there is none, [..., n]."""
        features = []
        for key, layer in self._layers():
            if layer.inner.carry_size():
                features.append(layer.inner.carry_features(carry[key, "inner"]))
            for name, rows in (("tokens", 1), ("sums", self.chunk_length)):
                store = carry[key, name]
                filled = is_filled(carry["count"], store.shape[-2], rows).unsqueeze(-1)
                features.append(torch.where(filled, store, 0.0).flatten(-2))
        return torch.cat(features, dim=-1)

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        u, count, kept = self.embed(x), carry["count"], {}
        time = timeline(count, is_first)
        for key, layer in self._layers():
            v, inner = layer.short_term(u, carry[key, "inner"], is_first, every, host_is_first)
            u, stores = layer(v, carry[key], count, time, every)
            kept[key] = TensorDict({"inner": inner, **stores}, batch_size=inner.batch_size)
        return u, TensorDict({**kept, "count": counts_after(time, every)}, batch_size=kept[key].batch_size)

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        u, kept = self.embed(x), {}
        count = torch.where(is_first, 0, carry["count"])
        for key, layer in self._layers():
            u, kept[key] = layer.step(u, carry[key], count, is_first, donate)
        return u, TensorDict({**kept, "count": count + 1}, batch_size=carry.batch_size)

    def _layers(self) -> Iterator[tuple[str, "HCAMLayer"]]:
        for key, layer in zip(self.carry_keys, self.layers, strict=False):
            assert isinstance(layer, HCAMLayer)
            yield key, layer


class HCAMLayer(nn.Module):
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

    def short_term(
        self, u: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        """Run the inner memory over a sequence."""
        y, carry = self.inner(self.inner_norm(u), carry, is_first, every, host_is_first)
        return u + y, carry

    def forward(
        self, v: Tensor, carry: TensorDict, count: Tensor, time: Timeline, every: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Read and store a sequence [B, T, hidden_size]."""
        store, sums = self._stopped(carry["tokens"]), self._stopped(carry["sums"])
        x = finite(self.read_norm(v))
        tokens = self._stopped(x.to(store.dtype))
        running = running_sums(tokens.to(sums.dtype), sums, count, time, self.read.chunk_length)
        y = self.read(x, tokens, running, store, sums, time, count)
        stores = {
            "tokens": tokens_after(store, tokens, time, every),
            "sums": sums_after(sums, running, time, self.read.chunk_length, every),
        }
        return v + y, stores

    def step(
        self, u: Tensor, carry: TensorDict, count: Tensor, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        """Run one row [B, hidden_size]; `count` is reset already, the carry is not."""
        y, inner = self.inner.step(self.inner_norm(u), carry["inner"], is_first, donate)
        v = u + y
        store = clear(self._stopped(carry["tokens"]), is_first, donate)
        sums = clear(self._stopped(carry["sums"]), is_first, donate)
        x = finite(self.read_norm(v))
        y = self.read.step(x, store, sums, count)
        token = self._stopped(x.to(store.dtype))
        length = self.read.chunk_length
        block = count.div(length, rounding_mode="floor").remainder(sums.shape[1])
        begun = take(sums, block.unsqueeze(1)).squeeze(1)
        begun = torch.where((count.remainder(length) > 0).unsqueeze(-1), begun, 0.0)
        stores = {
            "inner": inner,
            "tokens": write(store, count.remainder(store.shape[1]), token, donate),
            "sums": write(sums, block, begun + token, donate),
        }
        return v + y, TensorDict(stores, batch_size=carry.batch_size)

    def _stopped(self, x: Tensor) -> Tensor:
        return x.detach() if self.stop_gradient else x
