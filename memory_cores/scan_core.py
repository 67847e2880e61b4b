"""The family of cores whose memory is a linear recurrence, run by the scan."""

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor

from engram.memory_cores.base import MemoryCore
from engram.memory_cores.memory import Memory
from engram.memory_cores.scan import linear_scan

Scan = Callable[[Tensor, Tensor], Tensor]
"""Maps transitions and inputs of rows to the states after every row; see `ScanMemory.scan`."""


class ScanMemory(Memory):
    """A memory of linear recurrences."""

    def scan(self, key: str, a: Tensor, b: Tensor) -> Tensor:
        """Run h[t] = a[t] ⊙ h[t−1] + b[t], where h[t−1] is the initial state wherever an episode begins.

        Args:
            key: Of the state, [B, *shape].
            a: Transition, constant [*shape] or one for each row, broadcastable to [*, *shape].
            b: Inputs, broadcastable to [*, *shape]. Both are computed in the state's dtype.

        Returns:
            The states after every row, [*, *shape].
        """
        before, initial = self.before(key), self.spec[key].initial
        a, b = a.to(before.dtype), b.to(before.dtype)
        if self.carry_every is None:
            states = a * before + b
        else:
            batch, length = self.is_first.shape
            shape = before.shape[1:]
            b = b.expand(batch, length, *shape).reshape(batch, length, -1)
            if a.dim() > len(shape):
                a = a.expand(batch, length, *shape).reshape(batch, length, -1)
            else:
                a = a.expand(shape).reshape(-1)
            start = None if initial is None else initial.reshape(-1)
            states = linear_scan(a, b, self.is_first, before.reshape(batch, -1), start)
            states = states.reshape(batch, length, *shape)
        self.keep(key, states)
        return states


class ScanCore(MemoryCore):
    """A core of linear recurrences: only elementwise work goes from row to row, and their gates see the input alone.

    A subclass implements `carry_spec` and `equations`, in which `memory.scan(key, a, b)` gives the states after every
    row. The states are kept in float32 at least, and its output has the parameters' dtype.
    """

    memory_class = ScanMemory

    @abstractmethod
    def equations(self, x: Tensor, memory: ScanMemory) -> Tensor:
        """Map rows [*, input_size] to outputs [*, output_size]; see `MemoryCore.equations`."""
