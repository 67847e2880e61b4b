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


def stabilised_memory(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    input_gate: Tensor,
    forget_gate: Tensor,
    is_first: Tensor,
    states: States,
    carry_every: int = 0,
) -> tuple[Tensor, States]:
    """Run mLSTM's memory, whose equations are `stabilised_row`'s; all states are zero where an episode begins.

    Args:
        query: q, finite, [B, T, H, K].
        key: k, finite and scaled already, [B, T, H, K].
        value: v, finite, [B, T, H, V].
        input_gate: i before its exponential, finite, [B, T, H].
        forget_gate: f before its sigmoid, finite, [B, T, H].
        is_first: Whether a row begins an episode, [B, T] bool.
        states: C [B, H, K, V], n [B, H, K] and m [B, H] before row 0.
        carry_every: Which states are wanted, as `take_rows` has it. Default: 0, the last.

    Returns:
        y [B, T, H, V], and the states, shaped as those given, or with `carry_every` [B, T // carry_every, …] each.

    Source: Beck et al., "xLSTM: extended long short-term memory", 2024, section 2.3 and appendix A.
    """
    chunks = Chunks.of(query.shape[1], carry_every, CHUNK)
    # A column of ones makes the normaliser a column of the matrix.
    q, k, v = (chunks.heads(part) for part in (query, key, pad(value, (0, 1), value=1.0)))
    matrix, normaliser, maximum = states
    state = torch.cat([matrix, normaliser.unsqueeze(-1)], dim=-1)
    segments = Segments.of(chunks.split(is_first))
    decay = segments.summed(chunks.heads(logsigmoid(forget_gate)))
    written = torch.where(chunks.is_row(q.device).unsqueeze(1), chunks.heads(input_gate), LOWEST) - decay
    sees, is_carried = segments.sees.unsqueeze(2), segments.is_carried.unsqueeze(2)
    exponent = torch.where(sees, decay.unsqueeze(-1) + written.unsqueeze(-2), 2 * LOWEST)  # [B, N, H, C, C]
    highest = exponent.amax(-1)
    before, after = _maxima(highest[..., -1], decay[..., -1], segments.has_reset, maximum)
    carried = decay + torch.where(is_carried, before.unsqueeze(-1), 0.0)
    highest = torch.maximum(highest, carried)  # m of every row, [B, N, H, C]
    to_row = selected_exp(is_carried, carried - highest).unsqueeze(-1)
    to_end = selected_exp(segments.is_last.unsqueeze(2), decay[..., -1:] + written - highest[..., -1:])
    ends = carry_over(to_row[..., -1:, :], (k * to_end.unsqueeze(-1)).mT @ v, segments.has_reset, state)
    begin = finite_where_reset(before_chunks(state, ends), segments.has_reset)
    between = selected_exp(sees, exponent - highest.unsqueeze(-1))
    read = (q @ k.mT * between) @ v + (q * to_row) @ begin
    bound = torch.maximum(read[..., -1:].abs(), (-highest).exp().unsqueeze(-1)) + EPSILON
    matrix, normaliser = chunks.carries(ends, carry_every).split((value.shape[-1], 1), dim=-1)
    carry = matrix, normaliser.squeeze(-1), chunks.carries(after, carry_every)
    return chunks.merge(read[..., :-1] / bound), carry


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
