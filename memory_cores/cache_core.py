"""The family of cores that attend to a bounded store of what the episode's last rows put there."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from engram.memory_cores.base import MemoryCore
from engram.memory_cores.cache.chunk_attention import ChunkAttention
from engram.memory_cores.cache.chunk_reads import look_at_chunks
from engram.memory_cores.cache.chunks import add_to_sums, running_sums, sums_after
from engram.memory_cores.cache.store import (
    Timeline,
    clear,
    finite,
    from_finite,
    take,
    tokens_after,
    unroll,
    write,
)
from engram.memory_cores.cache.window_attention import WindowAttention
from engram.memory_cores.carry import CarrySpec, Leaf, select_initial
from engram.memory_cores.layered_core import LayeredCore
from engram.memory_cores.memory import Memory


class CacheMemory(Memory):
    """A memory of stores, with one counter of the episode's rows for all of them.

    Attributes:
        count: Rows of the episode before row 0, [B]; in a step it is reset already.
        time: Where the rows of a sequence lie in their episodes; None in a step.
    """

    count: Tensor
    time: Timeline | None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if isinstance(self.parent, CacheMemory):
            self.count, self.time = self.parent.count, self.parent.time
        else:
            self.count, self.time = self.count_rows("count")

    def attend(self, key: str, attention: WindowAttention, x: Tensor) -> Tensor:
        """Store a token of each row, and attend to the last ones of the episode, the row's own included.

        Args:
            key: Of the ring of tokens, [B, W + 1, D].
            attention: Says what is stored of a row, and reads it.
            x: Rows, [*, n]; to others, what is not finite is zero.

        Returns:
            What was read, [*, n]; NaN where a row is not finite.
        """
        store = self.carry[key]
        known = finite(x).to(store.dtype)
        tokens = attention.token(known).to(store.dtype)
        if self.time is None:
            store = clear(store, self.is_first, self.donate)
            store = write(store, self.count.remainder(store.shape[1]), tokens, self.donate)
            self.kept[key] = store
            y = attention.step(known, store, self.count)
        else:
            tail = unroll(store, self.count, store.shape[1] - 1)
            y = attention(known, tokens, tail, self.time.position)
            position = self.time.position
            if attention.states_weights:
                self.note(key, lambda: attention.look(known, tokens, tail, position))
            self.kept[key] = tokens_after(store, tokens, self.time, self.carry_every or 0)
        return from_finite(y, x)

    def look_back(self, key: str, x: Tensor, taps: int, dilation: int) -> Tensor:
        """See rows of the episode at equal distances, as a dilated convolution does.

        The rows are kept in a ring, so that a step costs the same however far back it looks.

        Args:
            key: Of the ring of rows, [B, (taps - 1) * dilation, n].
            x: Rows, [*, n]; what is not finite is taken as zero.
            taps: Number of rows seen, the present one included; at least 2.
            dilation: Rows from one to the next.

        Returns:
            The rows (taps - 1) * dilation, …, dilation and 0 ago, [*, taps, n]; zero where the episode had not begun.
        """
        store = self.carry[key]
        tokens, size = finite(x).to(store.dtype), store.shape[1]
        if self.time is None:
            store = clear(store, self.is_first, self.donate)
            count = self.count.unsqueeze(1)
            ago = torch.arange(size, 0, -dilation, device=count.device)
            earlier = select_initial(count < ago, 0.0, take(store, (count - ago).remainder(size)))
            # Read before it is written: the oldest row lies where the present one goes.
            self.kept[key] = write(store, self.count.remainder(size), tokens, self.donate)
            return torch.cat([earlier, tokens.unsqueeze(1)], dim=1)
        length, position = tokens.shape[1], self.time.position
        joined = torch.cat([unroll(store, self.count, size), tokens], dim=1)
        self.kept[key] = tokens_after(store, tokens, self.time, self.carry_every or 0)
        rows = [
            select_initial(position < ago, 0.0, joined[:, size - ago : size - ago + length])
            for ago in range(size, 0, -dilation)
        ]
        return torch.stack([*rows, tokens], dim=2)

    def recall(self, read: ChunkAttention, x: Tensor, stop_gradient: bool) -> Tensor:
        """Read the chunks of the episode's past, and store a token of each row after it has read.

        The ring of tokens is under `tokens`, [B, (M + 1) C, D], and the sums of its blocks under `sums`, [B, M + 1, D].

        Args:
            read: Reads them.
            x: Queries and tokens, [*, D]; what is not finite is stored as zero.
            stop_gradient: Stop gradients into what is stored.

        Returns:
            What was read, [*, D].
        """

        def stopped(tensor: Tensor) -> Tensor:
            return tensor.detach() if stop_gradient else tensor

        store, sums, rows = stopped(self.carry["tokens"]), stopped(self.carry["sums"]), finite(x)
        if self.time is None:
            store, sums = (clear(part, self.is_first, self.donate) for part in (store, sums))
            y = read.step(rows, store, sums, self.count)
            tokens = stopped(rows.to(store.dtype))
            self.kept["tokens"] = write(store, self.count.remainder(store.shape[1]), tokens, self.donate)
            self.kept["sums"] = add_to_sums(sums, tokens, self.count, read.chunk_length, self.donate)
            return from_finite(y, x)
        carry_every, tokens = self.carry_every or 0, stopped(rows.to(store.dtype))
        running = running_sums(tokens.to(sums.dtype), sums, self.count, self.time, read.chunk_length)
        y = read(rows, tokens, running, store, sums, self.time, self.count)
        time = self.time
        self.note("tokens", lambda: look_at_chunks(read, rows, tokens, running, store, sums, time))
        self.kept["tokens"] = tokens_after(store, tokens, self.time, carry_every)
        self.kept["sums"] = sums_after(sums, running, self.time, read.chunk_length, carry_every)
        return from_finite(y, x)


class CacheCore(MemoryCore):
    """A core of attention to a bounded store: rows do not wait for each other, but each looks up what others stored.

    A subclass states its `stores`, rings of the episode's last tokens, and its `equations`, in which the memory stores
    and reads. Beside the stores it carries `count`, the number of rows the episode has had.
    """

    memory_class = CacheMemory

    @abstractmethod
    def stores(self) -> CarrySpec:
        """State the stores, as `carry_spec` does."""

    def carry_spec(self) -> CarrySpec:
        """State the stores, and `count`, [B] int64: rows the episode has had."""
        return {**self.stores(), "count": Leaf((), "count")}

    @abstractmethod
    def equations(self, x: Tensor, memory: CacheMemory) -> Tensor:
        """Map rows [*, input_size] to outputs [*, output_size]; see `MemoryCore.equations`."""


class LayeredCacheCore(LayeredCore, CacheCore):
    """Layers with stores of their own, and one counter of the episode's rows for all of them; see `LayeredCore`."""

    stores = LayeredCore.carry_spec
    carry_spec = CacheCore.carry_spec
