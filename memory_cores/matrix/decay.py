"""Decayed outer-product memories, by chunks of rows: linear attention, RetNet, Mamba-2, GLA, HGRN2."""

from torch import Tensor

from engram.memory_cores.matrix.channels import within_of_channels
from engram.memory_cores.matrix.chunks import (
    CHUNK,
    Chunks,
    Segments,
    before_chunks,
    finite_where_reset,
    selected_exp,
)
from engram.memory_cores.scan import linear_scan


def decayed_chunks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
    carry_every: int,
    of_values: bool,
) -> tuple[Tensor, Tensor]:
    """Compute what `decayed_memory` does, whose arguments and result these are.

    All chunks are computed at once, but for the elementwise recurrence of the states at their ends, which the scan
    runs. Only these, T / 32, are kept for the gradients. Resets are flags of who sees whom, never a decay of −∞.

    Source: Yang et al., "Gated linear attention transformers with hardware-efficient training", 2023, section 3; Dao
    and Gu, "Transformers are SSMs", 2024, section 6.
    """
    chunks = Chunks.of(query.shape[1], carry_every, CHUNK)
    q, k, v = (chunks.heads(part) for part in (query, key, value))
    segments = Segments.of(chunks.split(is_first))
    if log_decay is None:
        log_decay = query.new_zeros(*query.shape[:3])
    decay = segments.decayed(chunks.heads(log_decay))
    to_row, to_end = weights_across(decay, segments)
    if decay.dim() == 4:
        y = (q @ k.mT * decay_between(decay, segments)) @ v
    else:
        y = within_of_channels(q, k, v, decay, segments.number, of_values)
    keep = to_row[..., -1:, :]  # [B, N, H, 1, 1 or V], or [B, N, H, 1 or K, 1]
    written, keep = (k.mT @ (v * to_end), keep) if of_values else ((k * to_end).mT @ v, keep.mT)
    after = carry_over(keep, written, segments.has_reset, state)
    before = finite_where_reset(before_chunks(state, after), segments.has_reset)
    y = y + ((q @ before) * to_row if of_values else (q * to_row) @ before)
    return chunks.merge(y), chunks.carries(after, carry_every)


def weights_across(decay: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
    """Return what is left of the state before a chunk at every row, and of every row at the chunk's end.

    Args:
        decay: Summed up, [B, N, H, C] or [B, N, H, C, K].
        segments: Of the chunks.

    Returns:
        Two of [B, N, H, C, 1 or K].
    """
    decay = decay if decay.dim() == 5 else decay.unsqueeze(-1)
    is_carried, is_last = (
        flags.unsqueeze(2).unsqueeze(-1) for flags in (segments.is_carried, segments.is_last)
    )
    return selected_exp(is_carried, decay), selected_exp(is_last, decay[..., -1:, :] - decay)


def carry_over(keep: Tensor, written: Tensor, has_reset: Tensor, state: Tensor) -> Tensor:
    """Run the states from chunk to chunk: S[n] = keep[n] ⊙ S[n−1] + written[n].

    Args:
        keep: Broadcastable to `written`.
        written: [B, N, *].
        has_reset: Whether S[n−1] is to be forgotten, [B, N].
        state: S before the first chunk, [B, *].

    Returns:
        The states after every chunk, [B, N, *].
    """
    keep = keep.expand_as(written).flatten(2)
    return linear_scan(keep, written.flatten(2), has_reset, state.flatten(1)).view(written.shape)


def decay_between(decay: Tensor, segments: Segments) -> Tensor:
    """Return what is left at row i of what row j wrote, zero where i does not see j: [B, N, H, C, C]."""
    return selected_exp(segments.sees.unsqueeze(2), decay.unsqueeze(-1) - decay.unsqueeze(-2))
