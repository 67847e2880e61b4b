"""The family of cores that attend to a bounded store of what the episode's last rows put there."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from engram.memory_cores.base import MemoryCore
from engram.memory_cores.cache.chunk_attention import ChunkAttention
from engram.memory_cores.cache.chunks import add_to_sums, running_sums, sums_after
from engram.memory_cores.cache.store import Timeline, clear, finite, tokens_after, unroll, write
from engram.memory_cores.cache.window_attention import WindowAttention
from engram.memory_cores.carry import CarrySpec, Leaf
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
            attention: Reads it.
            x: Tokens, [*, D]; what is not finite is taken as zero.

        Returns:
            What was read, [*, D].
        """
        store = self.carry[key]
        tokens = finite(x).to(store.dtype)
        if self.time is None:
            store = clear(store, self.is_first, self.donate)
            store = write(store, self.count.remainder(store.shape[1]), tokens, self.donate)
            self.kept[key] = store
            return attention.step(tokens, store, self.count)
        y = attention(tokens, unroll(store, self.count, store.shape[1] - 1), self.time.position)
        self.kept[key] = tokens_after(store, tokens, self.time, self.carry_every or 0)
        return y

    def recall(self, read: ChunkAttention, x: Tensor, stop_gradient: bool) -> Tensor:
        """Read the chunks of the episode's past, and store a token of each row after it has read.

        The ring of tokens is under `tokens`, [B, (M + 1) C, D], and the sums of its blocks under `sums`, [B, M + 1, D].

        Args:
            read: Reads them.
            x: Queries and tokens, [*, D]; what is not finite is taken as zero.
            stop_gradient: Stop gradients into what is stored.

        Returns:
            What was read, [*, D].
        """

        def stopped(tensor: Tensor) -> Tensor:
            return tensor.detach() if stop_gradient else tensor

        store, sums, x = stopped(self.carry["tokens"]), stopped(self.carry["sums"]), finite(x)
        if self.time is None:
            store, sums = (clear(part, self.is_first, self.donate) for part in (store, sums))
            y = read.step(x, store, sums, self.count)
            tokens = stopped(x.to(store.dtype))
            self.kept["tokens"] = write(store, self.count.remainder(store.shape[1]), tokens, self.donate)
            self.kept["sums"] = add_to_sums(sums, tokens, self.count, read.chunk_length, self.donate)
            return y
        carry_every, tokens = self.carry_every or 0, stopped(x.to(store.dtype))
        running = running_sums(tokens.to(sums.dtype), sums, self.count, self.time, read.chunk_length)
        y = read(x, tokens, running, store, sums, self.time, self.count)
        self.kept["tokens"] = tokens_after(store, tokens, self.time, carry_every)
        self.kept["sums"] = sums_after(sums, running, self.time, read.chunk_length, carry_every)
        return y


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
