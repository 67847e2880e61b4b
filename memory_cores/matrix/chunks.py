"""Chunks of rows: how a sequence is cut, and which of a chunk's rows belong to one episode."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from engram.memory_cores.carry import take_rows

CHUNK = 32
"""Rows of a chunk: within it work is quadratic in rows, between chunks a state is kept for the gradients."""


class Chunks(NamedTuple):
    """A sequence cut into N chunks of C rows, so that carries that are wanted lie at the ends of chunks.

    Rows are cut into groups, one for each carry wanted, and groups into equal chunks; what is missing is padded with
    rows of zeros, which neither write nor decay.

    Attributes:
        num_rows: Rows of the sequence, T.
        group: Rows of a group.
        parts: Chunks of a group.
        chunk: Rows of a chunk, C.
    """

    num_rows: int
    group: int
    parts: int
    chunk: int

    @classmethod
    def of(cls, num_rows: int, carry_every: int, longest: int) -> "Chunks":
        """Cut a sequence so that no chunk is longer than `longest`; `carry_every` is as `take_rows` has it."""
        group = min(carry_every, num_rows) or num_rows
        parts = -(-group // longest)
        return cls(num_rows, group, parts, -(-group // parts))

    def split(self, x: Tensor) -> Tensor:
        """Cut rows [B, T, *] into chunks [B, N, C, *]."""
        num_groups = -(-self.num_rows // self.group)
        x = _pad_rows(x, num_groups * self.group).unflatten(1, (num_groups, self.group))
        x = _pad_rows(x.flatten(0, 1), self.parts * self.chunk)
        return x.reshape(-1, num_groups * self.parts, self.chunk, *x.shape[2:])

    def heads(self, x: Tensor) -> Tensor:
        """Cut rows of heads [B, T, H, *] into chunks [B, N, H, C, *]."""
        return self.split(x).transpose(2, 3).contiguous()  # else every product copies it

    def is_row(self, device: torch.device) -> Tensor:
        """Tell rows of the sequence from padding, [N, C] bool."""
        return self.split(torch.ones(1, self.num_rows, dtype=torch.bool, device=device)).squeeze(0)

    def merge(self, y: Tensor) -> Tensor:
        """Put chunks of heads [B, N, H, C, n] together to rows [B, T, H, n]."""
        batch, _, heads, _, width = y.shape
        groups = y.transpose(2, 3).reshape(-1, self.parts * self.chunk, heads, width)[:, : self.group]
        return groups.reshape(batch, -1, heads, width)[:, : self.num_rows]

    def carries(self, states: Tensor, carry_every: int) -> Tensor:
        """Pick from the states after every chunk, [B, N, *], those that are carried on, as `take_rows` does."""
        if carry_every == 0:
            return take_rows(states, 0)
        return states[:, self.parts - 1 :: self.parts][:, : self.num_rows // carry_every]


class Segments(NamedTuple):
    """Which rows of a chunk see each other, the state before it, and which of them the state after it sees.

    Attributes:
        sees: Whether row i reads what row j wrote: j is not after i, and of the same episode, [B, N, C, C].
        is_carried: Whether a row is still of the episode that was carried in, [B, N, C].
        is_last: Whether it is of the episode that is carried on, [B, N, C].
        has_reset: Whether an episode begins in the chunk, [B, N].
        number: Episodes begun in the chunk up to a row, [B, N, C] int.
        is_first: [B, N, C].
    """

    sees: Tensor
    is_carried: Tensor
    is_last: Tensor
    has_reset: Tensor
    number: Tensor
    is_first: Tensor

    @classmethod
    def of(cls, is_first: Tensor) -> "Segments":
        """Find them for flags cut into chunks, [B, N, C] bool."""
        number = is_first.cumsum(dim=-1)
        size = is_first.shape[-1]
        is_past = torch.ones(size, size, dtype=torch.bool, device=is_first.device).tril()
        sees = (number.unsqueeze(-1) == number.unsqueeze(-2)) & is_past
        is_last = number == number[..., -1:]
        return cls(sees, number == 0, is_last, number[..., -1] > 0, number, is_first)

    def decayed(self, log_decay: Tensor) -> Tensor:
        """Sum up log decays [B, N, H, C] or [B, N, H, C, n]; an episode's first row decays nothing."""
        is_first = self.is_first.unsqueeze(2)
        is_first = is_first if log_decay.dim() == 4 else is_first.unsqueeze(-1)
        return self.summed(torch.where(is_first, 0.0, log_decay))

    def summed(self, x: Tensor) -> Tensor:
        """Sum a row's episode up to it, within the chunk: [B, N, H, C] or [B, N, H, C, n], finite.

        A product with flags and not a cumulative sum, which would round by what earlier episodes have summed up.
        """
        sees = self.sees.unsqueeze(2).to(x.dtype)
        return (sees @ x.unsqueeze(-1)).squeeze(-1) if x.dim() == 4 else sees @ x


def finite_where_reset(before: Tensor, has_reset: Tensor) -> Tensor:
    """Hide states before chunks in which an episode begins, if they are not finite.

    Rows after the beginning read such a state with a weight of zero, which does not take a NaN away.

    Args:
        before: [B, N, *].
        has_reset: [B, N].
    """
    each = before.detach().flatten(2)
    is_hidden = has_reset & ~(each.amax(-1) - each.amin(-1)).isfinite()
    return torch.where(is_hidden.reshape(*has_reset.shape, *(1,) * (before.dim() - 2)), 0.0, before)


def before_chunks(state: Tensor, after: Tensor) -> Tensor:
    """Return the states before every chunk, [B, N, *], of that before the first and those after every one."""
    return torch.cat([state.unsqueeze(1), after[:, :-1]], dim=1)


def selected_exp(selected: Tensor, exponent: Tensor) -> Tensor:
    """Return exp where selected, else 0; selected before the exponential, since what is not may overflow."""
    return torch.where(selected, exponent, -torch.inf).exp()


def _pad_rows(x: Tensor, length: int) -> Tensor:
    missing = length - x.shape[1]
    return pad(x, (0, 0) * (x.dim() - 2) + (0, missing)) if missing else x
