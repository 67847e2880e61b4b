"""What a memory gives for each row, taken apart by the rows that it came from: for whoever looks into a core.

`MemoryCore.reads` is the interface. An operation of a memory that sums over past rows notes one of these under the key
of its state; what is not such a sum, as a GRU's state, has none.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Attention(NamedTuple):
    """Weights of a softmax over past rows.

    Attributes:
        weights: Of row s for row t, [B, heads, T, T], [b, h, t, s]; exactly zero where t does not see s.
        carried: Of all that was stored before row 0, [B, heads, T]. With the weights it sums to 1, or to 0 where
            nothing is seen.
    """

    weights: Tensor
    carried: Tensor

    def magnitudes(self) -> tuple[Tensor, Tensor]:
        """Return the weights' means over heads, of rows [B, T, T] and of what was carried in [B, T]."""
        return self.weights.mean(1), self.carried.mean(1)


class LinearRead(NamedTuple):
    """The implicit attention of a linear memory: y[t] = Σ_s W[t, s] u[s] + what was there before, exactly.

    Attributes:
        contributions: W[t, s] u[s], [B, T, T, n], [b, t, s]; exactly zero for s behind t and of another episode.
        carried: Of what was carried in, or of the state that the episode began with, [B, T, n].

    Source: Ali et al., "The hidden attention of Mamba models", 2024.
    """

    contributions: Tensor
    carried: Tensor

    @property
    def y(self) -> Tensor:
        """What was read, [B, T, n]."""
        return self.contributions.sum(2) + self.carried

    def magnitudes(self) -> tuple[Tensor, Tensor]:
        """Return ‖W[t, s] u[s]‖ of rows, [B, T, T], and of what was carried in, [B, T]."""
        return self.contributions.norm(dim=-1), self.carried.norm(dim=-1)


Read = Attention | LinearRead
Reads = Mapping[str, Read]
"""By the keys of the states in the carry, joined by slashes."""


def linear_read(
    move: Callable[[int, Tensor], Tensor],
    write: Callable[[int], Tensor],
    read: Callable[[int, Tensor], Tensor],
    is_first: Tensor,
    before: Tensor,
    start: Tensor | float = 0.0,
) -> LinearRead:
    """Take a linear memory apart: each row's share of the state is moved by itself, and read by itself.

    Args:
        move: What becomes of parts of the state, [B, S, *state], at row t; linear in them.
        write: What row t adds, [B, *state].
        read: What is read of parts of the state after row t, [B, S, n]; linear in them.
        is_first: Whether a row begins an episode, [B, T].
        before: The state before row 0, [B, *state].
        start: The state an episode begins with, [*state].
    """
    batch, length = is_first.shape
    parts = before.unsqueeze(1)  # what was there before, then a part for each row so far
    contributions, carried = [], []
    for t in range(length):
        first = is_first[:, t].reshape(-1, *(1,) * (parts.dim() - 1))
        begun = torch.cat([torch.zeros_like(parts[:, :1]) + start, torch.zeros_like(parts[:, 1:])], dim=1)
        parts = move(t, torch.where(first, begun, parts))
        parts = torch.cat([parts, write(t).unsqueeze(1)], dim=1)
        found = read(t, parts)
        carried.append(found[:, 0])
        contributions.append(
            torch.cat([found[:, 1:], found.new_zeros(batch, length - 1 - t, found.shape[-1])], 1)
        )
    return LinearRead(torch.stack(contributions, dim=1), torch.stack(carried, dim=1))


def ring_attention(weights: Tensor, position: Tensor, youngest: int) -> Attention:
    """Say to which rows the slots of a ring belong: token i of an episode lies in slot i modulo R.

    Args:
        weights: Of the slots, [B, heads, T, R], zero where a slot holds no token of the episode.
        position: Rows of the episode before each row, [B, T].
        youngest: How many rows ago the youngest token was stored: 0 if a row sees its own, else 1.
    """
    batch, heads, length, size = weights.shape
    slot = torch.arange(size, device=weights.device)
    age = (position.unsqueeze(-1) - slot - youngest).remainder(size) + youngest  # [B, T, R]
    row = torch.arange(length, device=weights.device).unsqueeze(1) - age
    index = torch.where(row < 0, length, row).unsqueeze(1).expand(-1, heads, -1, -1)
    sums = weights.new_zeros(batch, heads, length, length + 1).scatter_add(3, index, weights)
    return Attention(sums[..., :length], sums[..., length])
