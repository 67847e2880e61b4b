"""The family of cores whose memory is a matrix that outer products are written to, run by chunks of rows."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engram.memory_cores.base import MemoryCore
from engram.memory_cores.cache.store import finite
from engram.memory_cores.matrix import (
    decayed_memory,
    decayed_row,
    delta_memory,
    delta_row,
    stabilised_memory,
    stabilised_row,
)
from engram.memory_cores.matrix.reads import decayed_read, delta_read, stabilised_read
from engram.memory_cores.memory import Memory
from engram.memory_cores.reads import LinearRead


class MatrixMemory(Memory):
    """A memory of matrices, [B, H, K, V], one for each head.

    What is not finite of keys, values and gates is not written; of a query, it shows in its own row alone.
    """

    def linear_attention(
        self,
        key: str,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        log_decay: Tensor | None = None,
        of_values: bool = False,
    ) -> Tensor:
        """Run S[t] = exp(g[t]) S[t−1] + k[t] v[t]ᵀ, y[t] = q[t]ᵀ S[t].

        Args:
            key: Of the matrix.
            q: [*, H, K].
            k: [*, H, K].
            v: [*, H, V].
            log_decay: g, at most 0: of heads, constant [H] or [*, H], or of key channels, [*, H, K]. Default: None, 0.
            of_values: g is of value channels, [*, H, V], in the place of key channels. Default: False.

        Returns:
            y, [*, H, V], in the matrix's dtype.
        """
        if log_decay is not None and log_decay.dim() == 1:
            log_decay = log_decay.expand(q.shape[:-1])
        rows = q, k, v, log_decay
        if self.carry_every is None:
            y, self.kept[key] = self._run(decayed_row, rows, self.before(key), of_values)
        else:
            y, self.kept[key] = self._run(
                decayed_memory, rows, self.is_first, self.before(key), self.carry_every, of_values
            )
            self._note(key, decayed_read, rows, self.is_first, self.before(key), of_values)
        return y

    def delta_rule(
        self, key: str, q: Tensor, k: Tensor, v: Tensor, strength: Tensor, log_decay: Tensor | None = None
    ) -> Tensor:
        """Run S̃ = exp(g[t]) S[t−1], S[t] = S̃ + k[t] (β[t] (v[t] − S̃ᵀ k[t]))ᵀ, y[t] = q[t]ᵀ S[t].

        Args:
            key: Of the matrix.
            q: [*, H, K].
            k: Of length one, [*, H, K].
            v: [*, H, V].
            strength: β, [*, H].
            log_decay: g, at most 0, [*, H]. Default: None, 0.

        Returns:
            y, [*, H, V], in the matrix's dtype.
        """
        rows = q, k, v, strength, log_decay
        if self.carry_every is None:
            y, self.kept[key] = self._run(delta_row, rows, self.before(key))
        else:
            y, self.kept[key] = self._run(
                delta_memory, rows, self.is_first, self.before(key), self.carry_every
            )
            self._note(key, delta_read, rows, self.is_first, self.before(key))
        return y

    def exponential_gates(
        self,
        keys: tuple[str, str, str],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        input_gate: Tensor,
        forget_gate: Tensor,
    ) -> Tensor:
        """Run mLSTM's memory; the equations are those of `stabilised_row`.

        Args:
            keys: Of the matrix, the normaliser [B, H, K] and the running maximum [B, H].
            q: [*, H, K].
            k: Scaled, [*, H, K].
            v: [*, H, V].
            input_gate: Before its exponential, [*, H].
            forget_gate: Before its sigmoid, [*, H].

        Returns:
            y, [*, H, V], in the matrix's dtype.
        """
        rows, before = (q, k, v, input_gate, forget_gate), tuple(self.before(key) for key in keys)
        if self.carry_every is None:
            y, after = self._run(stabilised_row, rows, before)
        else:
            y, after = self._run(stabilised_memory, rows, self.is_first, before, self.carry_every)
            self._note(keys[0], stabilised_read, rows, self.is_first, before)
        self.kept.update(zip(keys, after, strict=True))
        return y

    def _run(self, function: Callable[..., Any], rows: tuple[Tensor | None, ...], *rest: Any) -> Any:
        """Call a function of finite rows in the states' precision; a query that is not finite shows."""
        with torch.autocast(self.is_first.device.type, enabled=False):
            y, after = function(*self._finite(rows), *rest)
        query = rows[0]
        assert query is not None
        return torch.where(query.isfinite().all(-1, keepdim=True), y, torch.nan), after

    def _note(
        self, key: str, function: Callable[..., LinearRead], rows: tuple[Tensor | None, ...], *rest: Any
    ) -> None:
        self.note(key, lambda: function(*self._finite(rows), *rest))

    def _finite(self, rows: tuple[Tensor | None, ...]) -> Any:
        """Give a tuple of rows in the states' precision, what is not finite as zero."""
        dtype = next(part for part in self.carry.values() if isinstance(part, Tensor)).dtype
        return tuple(None if part is None else finite(part.to(dtype)) for part in rows)


class MatrixCore(MemoryCore):
    """A core of matrix memories: what is written and how it decays depends on the input alone.

    A subclass implements `carry_spec` and `equations`, in which `memory.linear_attention`, `memory.delta_rule` or
    `memory.exponential_gates` writes and reads. The matrices are kept in float32 at least.
    """

    memory_class = MatrixMemory

    @abstractmethod
    def equations(self, x: Tensor, memory: MatrixMemory) -> Tensor:
        """Map rows [*, input_size] to outputs [*, output_size]; see `MemoryCore.equations`."""
