"""The family of cores whose memory is a linear recurrence, run by the scan."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from engram.memory_cores.base import MemoryCore
from engram.memory_cores.memory import Memory
from engram.memory_cores.reads import LinearRead, linear_read
from engram.memory_cores.scan import linear_scan

Scan = Callable[..., Tensor]
"""Maps transitions, inputs and perhaps a reading to the states after every row, as `ScanMemory.scan` does of a key."""


class ScanMemory(Memory):
    """A memory of linear recurrences."""

    def scan(self, key: str, a: Tensor, b: Tensor, read: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Run h[t] = a[t] ⊙ h[t−1] + b[t], where h[t−1] is the initial state wherever an episode begins.

        Args:
            key: Of the state, [B, *shape].
            a: Transition, constant [*shape] or one for each row, broadcastable to [*, *shape].
            b: Inputs, broadcastable to [*, *shape]. Both are computed in the state's dtype.
            read: What is read of states, [*, *shape] to [*, n], linear: it is not done here, but told to whoever takes
                the memory apart. Default: the states' numbers.

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
            self.note(key, lambda: scan_read(a, b, self.is_first, before, start, read or real_numbers))
        self.keep(key, states)
        return states


def scan_read(
    a: Tensor,
    b: Tensor,
    is_first: Tensor,
    before: Tensor,
    start: Tensor | None,
    read: Callable[[Tensor], Tensor],
) -> LinearRead:
    """Take apart what is read of a scan's states.

    Args:
        a: As of `linear_scan`.
        b: As of `linear_scan`.
        is_first: As of `linear_scan`.
        before: The state before row 0, [B, *shape].
        start: The state an episode begins with, flat; None is zero.
        read: Linear, [*, *shape] to [*, n].
    """
    shape = before.shape[1:]
    return linear_read(
        lambda t, parts: parts * (a if a.dim() == 1 else a[:, t].unsqueeze(1)),
        lambda t: b[:, t],
        lambda t, parts: read(parts.unflatten(-1, shape) if len(shape) else parts.squeeze(-1)),
        is_first,
        before.flatten(1) if len(shape) else before.unsqueeze(1),
        0.0 if start is None else start,
    )


def real_numbers(states: Tensor) -> Tensor:
    """Return the numbers of states [B, S, *shape] as real ones, [B, S, n]."""
    return (torch.view_as_real(states) if states.is_complex() else states).flatten(2)


class ScanCore(MemoryCore):
    """A core of linear recurrences: only elementwise work goes from row to row, and their gates see the input alone.

    A subclass implements `carry_spec` and `equations`, in which `memory.scan(key, a, b)` gives the states after every
    row. The states are kept in float32 at least, and its output has the parameters' dtype.
    """

    memory_class = ScanMemory

    @abstractmethod
    def equations(self, x: Tensor, memory: ScanMemory) -> Tensor:
        """Map rows [*, input_size] to outputs [*, output_size]; see `MemoryCore.equations`."""
