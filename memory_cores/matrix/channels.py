"""Decays of single channels within a chunk: by halves, so that nothing overflows and no pair of rows is kept apart."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from engram.memory_cores.matrix.chunks import selected_exp

LEAF = 2
"""Rows within which decays are taken pair by pair."""

Rows = tuple[Tensor, ...]
"""q, k, v, the decay and the episode's number, of blocks of rows."""


def within_of_channels(
    q: Tensor, k: Tensor, v: Tensor, decay: Tensor, number: Tensor, of_values: bool
) -> Tensor:
    """Read what the rows of the same chunk wrote, y[i] = Σ_j (q[i] ⊙ exp(c[i] − c[j]))ᵀ k[j] v[j].

    exp(c[i] − c[j]) would be C² K numbers, and its factors exp(c[i]) exp(−c[j]) overflow. So the chunk is halved: rows
    of the second half see those of the first by what is left at the border, exp(c[i] − c[border]) times
    exp(c[border] − c[j]), neither above 1; and likewise within the halves, until they have `LEAF` rows.

    Args:
        q: [B, N, H, C, K].
        k: [B, N, H, C, K].
        v: [B, N, H, C, V].
        decay: c, log decays summed up within the episode, [B, N, H, C, K], or of values [B, N, H, C, V].
        number: Tells episodes apart, [B, N, C] int.
        of_values: Whether the decay is the value channels': exp(c[i] − c[j]) ⊙ v[j] with a plain product of q and k.

    Returns:
        [B, N, H, C, V].
    """
    num_rows, size = q.shape[-2], LEAF
    while size < num_rows:
        size *= 2
    q, k, v, decay = (pad(part, (0, 0, 0, size - num_rows)) for part in (q, k, v, decay))
    number = pad(number, (0, size - num_rows), value=-1).unsqueeze(2).unsqueeze(-1)  # [B, N, 1, C, 1]
    rows = q, k, v, decay, number
    found, half = _leaves(tuple(part.unflatten(-2, (-1, LEAF)) for part in rows), of_values), LEAF
    while half < size:
        blocks = (part.unflatten(-2, (-1, 2, half)).unbind(-3) for part in rows)
        first, second = zip(*blocks, strict=True)
        across = _across(first, second, of_values)
        upper, lower = found.unflatten(-3, (-1, 2)).unbind(-3)
        if of_values:
            lower = lower + across
        else:
            upper, lower = pad(upper, (0, half)), torch.cat([across, lower], dim=-1)
        found, half = torch.cat([upper, lower], dim=-2), 2 * half
    found = found.squeeze(-3)
    return (found if of_values else found @ v)[..., :num_rows, :]


def _leaves(rows: Rows, of_values: bool) -> Tensor:
    """Return, within blocks of rows [..., LEAF, n], weights of pairs of rows or, of values, what is read."""
    q, k, v, decay, number = *rows[:-1], rows[-1].squeeze(-1)
    sees = (number.unsqueeze(-1) == number.unsqueeze(-2)).tril()
    left = selected_exp(sees.unsqueeze(-1), decay.unsqueeze(-2) - decay.unsqueeze(-3))  # [..., i, j, n]
    if of_values:
        return ((q @ k.mT).unsqueeze(-1) * left * v.unsqueeze(-3)).sum(-2)
    return (q.unsqueeze(-2) * left * k.unsqueeze(-3)).sum(-1)


def _across(first: Rows, second: Rows, of_values: bool) -> Tensor:
    """Return the like of second halves of blocks and the first ones: weights of pairs, or what is read."""
    _, k, v, decay, number = first
    q, _, _, later_decay, later_number = second
    border, at_border = decay[..., -1:, :], number[..., -1:, :]
    written = selected_exp(number == at_border, border - decay)
    left = selected_exp(later_number == at_border, later_decay - border)
    if of_values:
        return (q @ k.mT) @ (v * written) * left
    return (q * left) @ (k * written).mT
