"""The bookkeeping of a memory of chunks.

The ring of tokens (see `cache`) has (M + 1) * C slots, so that chunk k of an episode, its rows k C … k C + C - 1,
lies in block k mod (M + 1): the last M complete chunks beside the one that is being filled. With the tokens go
the sums of the blocks; a sum divided by C is its chunk's summary.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from engram.common.tracing import is_traced
from engram.memory_cores.cache.store import Timeline, finite, rows_kept, stores_after, take, write


class ChunkList(NamedTuple):
    """Complete chunks in the order of time.

    Attributes:
        sums: Of their tokens, [B, N, D].
        first: The row of their first token, below 0 if that was carried in, [B, N] int.
    """

    sums: Tensor
    first: Tensor


def running_sums(tokens: Tensor, sums: Tensor, count: Tensor, time: Timeline, chunk_length: int) -> Tensor:
    """Sum each row's chunk up to the row.

    Args:
        tokens: [B, T, D].
        sums: Of the blocks before row 0, [B, M + 1, D].
        count: Rows the carried episode has had, [B].
        time: Of the rows.
        chunk_length: C.

    Returns:
        [B, T, D].
    """
    length = tokens.shape[1]
    offset = time.position.remainder(chunk_length)
    running, reach = tokens, 1
    while reach < min(
        chunk_length, length
    ):  # `running` sums the last `reach` tokens, as far as the chunk goes
        earlier = pad(running, (0, 0, reach, 0))[:, :length]
        running = running + torch.where((offset >= reach).unsqueeze(-1), earlier, 0.0)
        reach *= 2
    block = count.div(chunk_length, rounding_mode="floor").remainder(sums.shape[1])
    is_carried = torch.arange(length, device=offset.device) < offset
    return running + torch.where(is_carried.unsqueeze(-1), finite(take(sums, block.unsqueeze(1))), 0.0)


def sums_after(sums: Tensor, running: Tensor, time: Timeline, chunk_length: int, carry_every: int) -> Tensor:
    """Make the sums of the blocks after some rows of a sequence.

    Args:
        sums: Before row 0, [B, M + 1, D].
        running: See `running_sums`.
        time: Of the rows.
        chunk_length: C.
        carry_every: As `forward` has it.

    Returns:
        [B, M + 1, D] or [B, T // carry_every, M + 1, D].
    """
    size = sums.shape[1]
    rows = rows_kept(running.shape[1], carry_every, sums.device)
    position = time.position[:, rows].unsqueeze(-1)
    current = position.div(chunk_length, rounding_mode="floor")
    chunk = current - (current - torch.arange(size, device=sums.device)).remainder(size)
    last = torch.minimum(chunk * chunk_length + chunk_length - 1, position)  # of its tokens, in the episode
    source = torch.where(chunk >= 0, rows.unsqueeze(-1) - position + last, -1)
    return stores_after(sums, running, source, time.is_carried[:, rows], carry_every)


def add_to_sums(sums: Tensor, token: Tensor, count: Tensor, chunk_length: int, donate: bool) -> Tensor:
    """Add one row's token to the sum of the chunk that is being filled, or begin a new one with it.

    Args:
        sums: Of the blocks, [B, M + 1, D].
        token: [B, D].
        count: Rows of the episode before this one, [B].
        chunk_length: C.
        donate: Overwrite `sums`.

    Returns:
        [B, M + 1, D], a new tensor unless `donate`.
    """
    block = count.div(chunk_length, rounding_mode="floor").remainder(sums.shape[1])
    begun = take(sums, block.unsqueeze(1)).squeeze(1)
    begun = torch.where((count.remainder(chunk_length) > 0).unsqueeze(-1), begun, 0.0)
    return write(sums, block, begun + token, donate)


def needed_chunks(count: Tensor, time: Timeline, num_chunks: int, chunk_length: int, rows: int) -> int:
    """Bound the chunks that any row may read besides those completed in its own slice of rows.

    A device would have to wait for the answer, and a trace cannot: all that are kept, there.

    Args:
        count: Rows the carried episode has had, [B].
        time: Of the rows.
        num_chunks: Chunks kept, M.
        chunk_length: C.
        rows: Rows before the last slice.

    Returns:
        At most M.
    """
    if count.device.type != "cpu" or is_traced():
        return num_chunks
    longest = int(torch.where(time.is_carried[:, 0], count, 0).max())
    return min((longest + rows) // chunk_length, num_chunks)


def carried_chunks(sums: Tensor, count: Tensor, num_chunks: int, chunk_length: int) -> ChunkList:
    """List the newest complete chunks that were carried in.

    Args:
        sums: Of the blocks before row 0, [B, M + 1, D].
        count: Rows the carried episode has had, [B].
        num_chunks: How many, K, at most M.
        chunk_length: C.

    Returns:
        Chunks [B, K]; those missing have sums of zero, and begin before the episode does.
    """
    current = count.div(chunk_length, rounding_mode="floor").unsqueeze(1)
    chunk = current - num_chunks + torch.arange(num_chunks, device=count.device)
    carried = finite(take(sums, chunk.remainder(sums.shape[1])))
    carried = torch.where((chunk >= 0).unsqueeze(-1), carried, 0.0)
    return ChunkList(carried, chunk * chunk_length - count.unsqueeze(1))


def completed_chunks(
    chunks: ChunkList, running: Tensor, position: Tensor, row: int, chunk_length: int
) -> tuple[ChunkList, ChunkList]:
    """Add the chunks that a slice of rows completes.

    Args:
        chunks: Before the slice, [B, K].
        running: See `running_sums`, of the slice, [B, S, D].
        position: Of the slice's rows, [B, S].
        row: The slice's first row.
        chunk_length: C.

    Returns:
        All chunks [B, K + N], as many new ones as there may be, those missing beginning after the slice; and the
        last K before the next slice.
    """
    batch, length = position.shape
    most = -(-length // chunk_length)
    is_last = position.remainder(chunk_length) == chunk_length - 1
    rank = is_last.cumsum(dim=1)
    rows = torch.arange(length, device=position.device).expand(batch, length)
    last = torch.full((batch, most + 1), length, device=position.device)
    last = last.scatter(1, torch.where(is_last, rank - 1, most), rows)[:, :most]
    new = take(running, last.clamp(max=length - 1))
    first = torch.where(last < length, last - chunk_length + 1, length) + row
    both = ChunkList(torch.cat([chunks.sums, new], dim=1), torch.cat([chunks.first, first], dim=1))
    remain = rank[:, -1:] + torch.arange(chunks.first.shape[1], device=position.device)
    return both, ChunkList(take(both.sums, remain), both.first.gather(1, remain))


def select_chunks(relevance: Tensor, is_valid: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Select the most relevant of the valid chunks; the older one of two alike.

    Args:
        relevance: [..., N], chunks in the order of time.
        is_valid: [..., N] bool.
        top_k: Number of chunks.

    Returns:
        Indices [..., k], and whether they are valid; k is `top_k` or N if that is less.
    """
    ranked = torch.where(is_valid, relevance.detach(), -torch.inf)
    index = ranked.sort(dim=-1, descending=True, stable=True).indices[..., :top_k]
    return index, is_valid.gather(-1, index)
