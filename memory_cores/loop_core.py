"""The family of cores whose rows need a matrix product in turn."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from engram.common.tracing import is_traced
from engram.memory_cores.base import MemoryCore
from engram.memory_cores.carry import select_initial
from engram.memory_cores.layered_core import Layer
from engram.memory_cores.memory import Memory

States = dict[str, Tensor]
"""The states of a loop by their keys, [B, *] each, or after several rows [B, N, *]."""


class RowLoop(ABC):
    """Rows that run one after the other, since the next state is any function of the last one.

    A subclass states one row's equations, `row`. What they need of the input alone is computed for all rows at once by
    `drive`. Autocast is off inside, so that states keep their dtype; `x` comes in the first state's, which parameters
    of half precision are not of: `WideLinear` heeds that.

    What goes round the loop, as a short convolution before it, is put around `self.loop`.
    """

    def drive(self, x: Tensor) -> Any:
        """Compute what a row needs of the input alone.

        Args:
            x: Rows, [*, input_size].

        Returns:
            Rows [*, n], or a tuple of such. Default: `x`.
        """
        return x

    @abstractmethod
    def row(self, drive: Any, states: States) -> tuple[Tensor, States]:
        """Move the states by one row.

        Args:
            drive: Of the row, as `drive` returns it, [B, n].
            states: Before the row and reset already, [B, *] each; not to be modified.

        Returns:
            The row's output [B, n], and the states after it.
        """

    def rows(self, drive: Any, states: States, memory: Memory, carry_every: int) -> tuple[Tensor, States]:
        """Move the states by all rows of a sequence; a subclass with a faster way than `row` by `row` has its own.

        Args:
            drive: Of all rows, as `drive` returns it, [B, T, n].
            states: Before row 0, not reset, [B, *] each.
            memory: Whose resets are to be heeded.
            carry_every: Which states are wanted: after every row, or after the last alone if this is 0.

        Returns:
            The outputs [B, T, n], and the states after every row, [B, T, *], or after the last, [B, 1, *].
        """
        outputs, kept = [], []
        flags = memory.is_first.unbind(1)
        host = None if is_traced() else memory.resets.host
        may_begin = [True] * len(flags) if host is None else host.any(dim=0).tolist()
        for drive_t, first_t, begins in zip(_by_row(drive), flags, may_begin, strict=True):
            if begins:
                states = {key: select_initial(first_t, memory.spec[key].start, states[key]) for key in states}
            y, states = self.row(drive_t, states)
            outputs.append(y)
            kept.append(states)
        y = torch.stack(outputs, dim=1)
        if carry_every == 0:
            return y, {key: last.unsqueeze(1) for key, last in states.items()}
        return y, {key: torch.stack([after[key] for after in kept], dim=1) for key in states}

    def run(self, x: Tensor, memory: Memory) -> Tensor:
        """Run the loop over all keys of a memory on rows [*, n]; returns rows."""
        states = {key: memory.before(key) for key in memory.spec}
        with torch.autocast(x.device.type, enabled=False):
            return self.loop(self.drive(x.to(next(iter(states.values())).dtype)), states, memory)

    def loop(self, drive: Any, states: States, memory: Memory) -> Tensor:
        """Run the rows.

        Args:
            drive: As `drive` returns it.
            states: Those that the loop moves, as `memory.before` gives them.
            memory: Keeps them.

        Returns:
            Outputs, [*, n].
        """
        if memory.carry_every is None:
            y, after = self.row(drive, states)
        else:
            y, after = self.rows(drive, states, memory, memory.carry_every)
        for key, value in after.items():
            memory.keep(key, value)
        return y


class LoopCore(RowLoop, MemoryCore):
    """A core that is one loop: a subclass implements `carry_spec` and `row`, and `drive` if need be."""

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Run the loop; see `MemoryCore.equations`."""
        return self.run(x, memory)


class LoopLayer(RowLoop, Layer):
    """A layer that is one loop, for a `LayeredCore`; it may put a norm or a residual connection around `self.run`."""

    def forward(self, u: Tensor, memory: Memory) -> Tensor:
        """Run the loop; see `Layer.forward`."""
        return self.run(u, memory).to(u.dtype)


def _by_row(drive: Any) -> Iterator[Any]:
    """Give the rows of a tensor [B, T, n] or of a tuple of such, one after the other."""
    if isinstance(drive, Tensor):
        yield from drive.unbind(1)
    else:
        yield from zip(*(part.unbind(1) for part in drive), strict=True)
