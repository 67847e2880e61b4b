"""Which rows a read of chunks attends to: its weights row by row, as a step computes them."""

import torch
from torch import Tensor

from engram.memory_cores.cache.chunk_attention import ChunkAttention
from engram.memory_cores.cache.chunks import sums_after
from engram.memory_cores.cache.store import Timeline, tokens_after
from engram.memory_cores.reads import Attention, ring_attention


def look_at_chunks(
    read: ChunkAttention,
    x: Tensor,
    tokens: Tensor,
    running: Tensor,
    store: Tensor,
    sums: Tensor,
    time: Timeline,
) -> Attention:
    """Say how a sequence's rows are weighed: a chunk's weight times its token's within the chunk.

    Args:
        read: The read.
        x: Queries, finite, [B, T, D].
        tokens: Of the rows, [B, T, D].
        running: See `running_sums`, [B, T, D].
        store: Tokens before row 0, [B, (M + 1) C, D].
        sums: Of the blocks before row 0, [B, M + 1, D].
        time: Of the rows.
    """
    batch, length = x.shape[:2]
    rings = _before_rows(store, tokens_after(store, tokens, time, 1))
    block_sums = _before_rows(sums, sums_after(sums, running, time, read.chunk_length, 1))
    count = time.position.flatten()
    inside, _, slots = read.weigh_tokens(x.flatten(0, 1), rings, block_sums, count)
    index = slots.flatten(1).unsqueeze(1).expand(-1, inside.shape[1], -1)
    weights = inside.new_zeros(*inside.shape[:2], store.shape[1]).scatter_add(2, index, inside.flatten(2))
    return ring_attention(weights.unflatten(0, (batch, length)).transpose(1, 2), time.position, youngest=1)


def _before_rows(first: Tensor, after: Tensor) -> Tensor:
    """Return what a store held before each row, [B T, *], of what it held before row 0 and after each row."""
    return torch.cat([first.unsqueeze(1), after[:, :-1]], dim=1).flatten(0, 1)
