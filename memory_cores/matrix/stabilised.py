"""mLSTM's memory by chunks of rows: decays and exponential gates relative to a running maximum."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad

from engram.memory_cores.carry import select_initial
from engram.memory_cores.matrix.chunks import (
    CHUNK,
    Chunks,
    Segments,
    before_chunks,
    finite_where_reset,
    selected_exp,
)
from engram.memory_cores.matrix.decay import carry_over
from engram.memory_cores.matrix.reference import EPSILON

LOWEST = -1e30
"""An input gate that writes nothing, finite so that differences are."""

States = tuple[Tensor, Tensor, Tensor]


def stabilised_chunks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    input_gate: Tensor,
    forget_gate: Tensor,
    is_first: Tensor,
    states: States,
    carry_every: int,
) -> tuple[Tensor, States]:
    """Compute what `stabilised_memory` does, whose arguments and result these are.

    Source: Beck et al., "xLSTM: extended long short-term memory", 2024, section 2.3 and appendix A.
    """
    chunks = Chunks.of(query.shape[1], carry_every, CHUNK)
    value, state = joined(value, states)
    q, k, v = (chunks.heads(part) for part in (query, key, value))
    segments = Segments.of(chunks.split(is_first))
    decay = segments.summed(chunks.heads(logsigmoid(forget_gate)))
    written = torch.where(chunks.is_row(q.device).unsqueeze(1), chunks.heads(input_gate), LOWEST) - decay
    sees, is_carried = segments.sees.unsqueeze(2), segments.is_carried.unsqueeze(2)
    exponent = torch.where(sees, decay.unsqueeze(-1) + written.unsqueeze(-2), 2 * LOWEST)  # [B, N, H, C, C]
    highest = exponent.amax(-1)
    before, after = _maxima(highest[..., -1], decay[..., -1], segments.has_reset, states[2])
    carried = decay + torch.where(is_carried, before.unsqueeze(-1), 0.0)
    highest = torch.maximum(highest, carried)  # m of every row, [B, N, H, C]
    to_row = selected_exp(is_carried, carried - highest).unsqueeze(-1)
    to_end = selected_exp(segments.is_last.unsqueeze(2), decay[..., -1:] + written - highest[..., -1:])
    ends = carry_over(to_row[..., -1:, :], (k * to_end.unsqueeze(-1)).mT @ v, segments.has_reset, state)
    begin = finite_where_reset(before_chunks(state, ends), segments.has_reset)
    between = selected_exp(sees, exponent - highest.unsqueeze(-1))
    read = (q @ k.mT * between) @ v + (q * to_row) @ begin
    matrix, normaliser = parted(chunks.carries(ends, carry_every))
    return chunks.merge(normalised(read, highest)), (matrix, normaliser, chunks.carries(after, carry_every))


def joined(value: Tensor, states: States) -> tuple[Tensor, Tensor]:
    """Make the normaliser a column of the matrix: a column of ones beside the values writes it."""
    matrix, normaliser, _ = states
    return pad(value, (0, 1), value=1.0), torch.cat([matrix, normaliser.unsqueeze(-1)], dim=-1)


def parted(state: Tensor) -> tuple[Tensor, Tensor]:
    """Take the normaliser apart from the matrix, [..., K, V + 1]."""
    return state[..., :-1], state[..., -1]


def normalised(read: Tensor, maximum: Tensor) -> Tensor:
    """Divide what was read, [..., V + 1], by its last number, or by exp(−m) if that is more; m is [...]."""
    return read[..., :-1] / (torch.maximum(read[..., -1:].abs(), (-maximum).exp().unsqueeze(-1)) + EPSILON)


def _maxima(highest: Tensor, decay: Tensor, has_reset: Tensor, maximum: Tensor) -> tuple[Tensor, Tensor]:
    """Run m from chunk to chunk.

    Args:
        highest: The highest exponent that a row of the chunk has at its end, [B, N, H].
        decay: Of what was before the last row's episode, summed up to the chunk's end, [B, N, H].
        has_reset: Whether that is an initial state, and not the one before the chunk, [B, N].
        maximum: m before the first chunk, [B, H].

    Returns:
        m before every chunk, as its rows may read it, and after, [B, N, H] each.
    """
    befores, afters = [], []
    for n in range(highest.shape[1]):
        befores.append(maximum)
        begin = select_initial(has_reset[:, n], 0.0, maximum)
        maximum = torch.maximum(highest[:, n], decay[:, n] + begin)
        afters.append(maximum)
    return finite_where_reset(torch.stack(befores, dim=1), has_reset), torch.stack(afters, dim=1)
