"""A core's carry during one call: what its equations are written in, whether of a sequence or of one row."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.memory_cores.cache.store import Timeline, counts_after, rows_kept, timeline
from engram.memory_cores.carry import CarrySpec, select_initial, take_rows
from engram.memory_cores.reads import Read
from engram.memory_cores.resets import Resets

Made = TypeVar("Made")


class Memory:
    """The carry before a call, where episodes begin in it, and what becomes the carry after it.

    Equations are written once, for rows [*, n] where * is [B, T] in a sequence and [B] in a step. What goes from row
    to row they leave to an operation of the memory, which does it either way, resets included, and keeps what is to
    be carried on. Each key of the carry is for one operation.

    Args:
        spec: What the carry consists of.
        carry: The carry before the call.
        resets: Of its rows, [B, T], or in a step [B].
        carry_every: Which rows' carries are wanted, as `take_rows`; None in a step.
        donate: Whether the carry may be overwritten; only ever in a step without gradients.
        constants: What is made of the parameters alone, kept from step to step; see `MemoryCore.step`.
        parent: The memory that this one is a part of, if it is.
    """

    def __init__(
        self,
        spec: CarrySpec,
        carry: TensorDict,
        resets: Resets,
        carry_every: int | None = None,
        donate: bool = False,
        constants: dict[str, Any] | None = None,
        parent: "Memory | None" = None,
    ) -> None:
        self.spec = spec
        self.carry = carry
        self.resets = resets
        self.is_first = resets.is_first
        self.carry_every = carry_every
        self.donate = donate
        self.constants = constants
        self.parent = parent
        self.kept: dict[str, Any] = {}
        # What is read, by the rows it came from, where somebody asks: see `MemoryCore.reads`.
        self.reads: dict[str, Read] | None = None

    def at(self, key: str) -> Self:
        """Return the part of the memory whose carry is nested under a key."""
        how = self.resets, self.carry_every, self.donate, self._constants_of(key)
        part = type(self)(self.spec[key], self.carry[key], *how, self)
        self.kept[key] = part
        part.reads = None if self.reads is None else {}
        return part

    def constant(self, key: str, make: Callable[[], Made]) -> Made:
        """Return what is made of the parameters alone, once for all steps that share their `constants`."""
        if self.constants is None:
            return make()
        if key not in self.constants:
            self.constants[key] = make()
        made: Made = self.constants[key]
        return made

    def _constants_of(self, key: str) -> dict[str, Any] | None:
        """Return the constants of a part."""
        return None if self.constants is None else self.constants.setdefault(f"{key}/", {})

    def note(self, key: str, read: Callable[[], Read]) -> None:
        """Tell whoever asks what was read by an operation on a key, by the rows it came from."""
        if self.reads is not None:
            self.reads[key] = read()

    def all_reads(self) -> dict[str, Read]:
        """Return what was noted here and in the parts, by keys joined by slashes."""
        found = dict(self.reads or {})
        for key, part in self.kept.items():
            if isinstance(part, Memory):
                found |= {f"{key}/{name}": read for name, read in part.all_reads().items()}
        return found

    def core(self, key: str, core: Any, x: Tensor) -> Tensor:
        """Run another core, whose carry lies under a key, on rows [*, n]."""
        if self.reads is not None:
            y, self.kept[key], found = core.reads(x, self.carry[key], self.is_first)
            self.reads |= {f"{key}/{name}": read for name, read in found.items()}
        elif self.carry_every is None:
            y, self.kept[key] = core.step(
                x, self.carry[key], self.is_first, self.donate, self._constants_of(key)
            )
        else:
            y, self.kept[key] = core(x, self.carry[key], self.resets, self.carry_every)
        return y

    def window(self, key: str, x: Tensor, size: int, is_valid: Tensor | None = None) -> Tensor:
        """Look back on the last rows, as a short convolution does.

        Args:
            key: Of the `size` - 1 rows before the present one, [B, size - 1, n].
            x: Rows, [*, n].
            size: Number of rows, the present one included.
            is_valid: Which of them to see, [*, size]. Default: those of the row's episode.

        Returns:
            Rows in the order of time, the present one last, [*, size, n]; those not seen are zero or False.
        """
        zero = self.spec[key].start
        before = self.before(key) if is_valid is None else self.carry[key]
        if self.carry_every is None:
            rows = torch.cat([before, x.to(before.dtype).unsqueeze(1)], dim=1)
            rows = rows if is_valid is None else select_initial(~is_valid, zero, rows)
            self.kept[key] = rows[:, 1:]
            return rows
        length, lags = x.shape[1], range(size)
        joined = torch.cat([before, x.to(before.dtype)], dim=1)
        rows = torch.stack([joined[:, lag : lag + length] for lag in lags], dim=2)
        if is_valid is None:
            # A row is of this episode if as many episodes have begun up to it as up to the present one.
            begun = self.is_first.cumsum(dim=1)
            episode = torch.cat([begun.new_zeros(len(begun), size - 1), begun], dim=1)
            is_valid = torch.stack([episode[:, lag : lag + length] == begun for lag in lags], dim=2)
        rows = select_initial(~is_valid, zero, rows)
        self.keep(key, rows[:, :, 1:])
        return rows

    def keep_inputs(self, key: str, x: Tensor, count: int) -> None:
        """Keep the last rows of a sequence, [B, T, n], that are of the episode: [B, count, n], oldest first."""
        before, every = self.carry[key], self.carry_every or 0
        begun = self.is_first.cumsum(dim=1)
        if every == 0:  # a single carry reaches the last rows alone
            x, begun = x[:, -count:], begun[:, -count:]
        rows = rows_kept(x.shape[1], every, x.device)
        index = rows.unsqueeze(1) + 1 + torch.arange(count, device=x.device)
        joined = torch.cat([before, x.to(before.dtype)], dim=1)
        episode = torch.cat([begun.new_zeros(len(begun), count), begun], dim=1)
        is_past = episode[:, index] != begun[:, rows].unsqueeze(-1)
        kept = select_initial(is_past, self.spec[key].start, joined[:, index])
        self.kept[key] = kept if every else kept.squeeze(1)

    def position(self, key: str) -> Tensor:
        """Count the rows of its episode before each row, [*] int64; the counter [B] is carried under a key."""
        count, time = self.count_rows(key)
        return count if time is None else time.position

    def count_rows(self, key: str) -> tuple[Tensor, Timeline | None]:
        """Carry a counter of the episode's rows on.

        Returns:
            What it was before the first row, [B], and of a sequence where its rows lie; in a step it is reset already.
        """
        count = self.before(key)
        if self.carry_every is None:
            self.kept[key] = count + 1
            return count, None
        time = timeline(count, self.is_first)
        self.kept[key] = counts_after(time, self.carry_every)
        return count, time

    def before(self, key: str) -> Tensor:
        """Return the state before the first row, [B, *]; in a step it is reset already."""
        if self.carry_every is None:
            return select_initial(self.is_first, self.spec[key].start, self.carry[key])
        return self.carry[key]

    def keep(self, key: str, states: Tensor) -> None:
        """Keep what is carried on of states after every row, [*, *]."""
        self.kept[key] = states if self.carry_every is None else take_rows(states, self.carry_every)

    def after(self) -> TensorDict:
        """Return the carry after the call, of what was kept, in the order of its keys."""
        batch = list(self.is_first.shape[:1])
        if self.carry_every:
            batch.append(self.is_first.shape[1] // self.carry_every)
        carry = {}
        for key in self.spec:
            value = self.kept[key]
            if isinstance(value, Memory):
                value = value.after()
            carry[key] = value
        return TensorDict(carry, batch_size=batch)
