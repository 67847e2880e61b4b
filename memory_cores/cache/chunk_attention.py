"""Attention to a memory of chunks: which chunks matter first, then which tokens inside them."""

import torch
from torch import Tensor, nn

from engram.common.dense import Linear, linear
from engram.memory_cores.cache.attention import (
    SLICE,
    init_linear,
    masked_softmax,
    merge_heads,
    sinusoids,
    split_heads,
)
from engram.memory_cores.cache.chunks import (
    ChunkList,
    carried_chunks,
    completed_chunks,
    needed_chunks,
    select_chunks,
)
from engram.memory_cores.cache.store import Timeline, empty_, take, unroll
from engram.memory_cores.carry import state_dtype


class ChunkAttention(nn.Module):
    """Read a memory of chunks with a query: Σ_j w_j MultiHead(query, tokens of chunk j) over the k best chunks.

    w = softmax((W_q x · W_k summary_j) / √D) over the selected chunks alone. Without any chunk the read is zero,
    which is why no projection has a bias.

    Args:
        width: Width of queries and tokens, D.
        num_chunks: Complete chunks kept, M.
        chunk_length: Tokens of a chunk, C.
        top_k: Chunks read, at most M.
        num_heads: Heads inside a chunk.
        attend_partial: Read the chunk that is being filled too, besides the k.
    """

    def __init__(
        self,
        width: int,
        num_chunks: int,
        chunk_length: int,
        top_k: int,
        num_heads: int,
        attend_partial: bool,
    ) -> None:
        super().__init__()
        self.num_chunks = num_chunks
        self.chunk_length = chunk_length
        self.top_k = top_k
        self.num_heads = num_heads
        self.attend_partial = attend_partial
        self.relevance_query = init_linear(Linear(width, width, bias=False), 2.0)
        self.relevance_key = init_linear(Linear(width, width, bias=False), 2.0)
        self.query = init_linear(Linear(width, width, bias=False), 2.0)
        self.key_value = init_linear(Linear(width, 2 * width, bias=False), 2.0)
        self.output = init_linear(Linear(width, width, bias=False), 2.0)
        # Counted backwards: a complete chunk's newest token has position 0.
        self.encoding: Tensor
        self.register_buffer("encoding", sinusoids(chunk_length, width).flip(0), persistent=False)

    def forward(
        self,
        x: Tensor,
        tokens: Tensor,
        running: Tensor,
        store: Tensor,
        sums: Tensor,
        time: Timeline,
        count: Tensor,
    ) -> Tensor:
        """Run a sequence, a slice of queries at a time.

        Args:
            x: Queries, [B, T, D].
            tokens: Of the rows, [B, T, D].
            running: See `running_sums`, [B, T, D].
            store: Tokens before row 0, [B, (M + 1) C, D].
            sums: Of the blocks before row 0, [B, M + 1, D].
            time: Of the rows.
            count: Rows the carried episode has had, [B].

        Returns:
            [B, T, D].
        """
        earlier_rows = (x.shape[1] - 1) // SLICE * SLICE
        num_chunks = needed_chunks(count, time, self.num_chunks, self.chunk_length, earlier_rows)
        tail_length = (num_chunks + 1) * self.chunk_length - 1
        before = (count.unsqueeze(1) - tail_length + torch.arange(tail_length, device=x.device)).remainder(
            self.chunk_length
        )
        tail = unroll(store, count, tail_length) + self.encoding[before]
        window = self.key_value(tail)
        chunks = carried_chunks(sums, count, num_chunks, self.chunk_length)
        offset = time.position.remainder(self.chunk_length)
        # The sum before the row's own token.
        partial = torch.where((offset > 0).unsqueeze(-1), running - tokens.to(running.dtype), 0.0)
        pieces = (
            self.query(x),
            self._relevance_query(x),
            self.key_value(tokens + self.encoding[offset]),
            running,
            partial,
            time.begin,
            time.position,
        )
        reads, row = [], 0
        for query, relevance_query, key_value, run, part, begin, position in zip(
            *(piece.split(SLICE, dim=1) for piece in pieces), strict=True
        ):
            window = torch.cat([window, key_value], dim=1)
            seen, chunks = completed_chunks(chunks, run, position, row, self.chunk_length)
            weights, part_weight = (
                weight.to(x.dtype)
                for weight in self._weigh(relevance_query, seen, part, begin, position, row)
            )
            reads.append(self._read(query, window, seen.first - row, weights, part_weight, position))
            window = window[:, query.shape[1] :]
            row += query.shape[1]
        return self.output(torch.cat(reads, dim=1))

    def step(self, x: Tensor, store: Tensor, sums: Tensor, count: Tensor) -> Tensor:
        """Read with one query per environment, before the row's own token is stored.

        The projections of keys and values are applied to the query and to what was read, so that the stored
        tokens need none.

        Args:
            x: [B, D].
            store: [B, (M + 1) C, D].
            sums: [B, M + 1, D].
            count: Rows of the episode before this one, [B].

        Returns:
            [B, D].
        """
        inside, tokens, _ = self.weigh_tokens(x, store, sums, count)
        value = self.key_value.weight.unflatten(0, (2, self.num_heads, -1))[1]  # [heads, size, D]
        read = inside.flatten(2) @ tokens + inside.sum(dim=2) @ self.encoding
        return self.output(torch.einsum("bhd,hed->bhe", read, value).flatten(1))

    def weigh_tokens(
        self, x: Tensor, store: Tensor, sums: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Weigh the tokens of the chunks that are read; arguments as of `step`.

        Returns:
            Weights [B, heads, k, C], the tokens [B, k C, D], and the slots they lie in, [B, k, C].
        """
        blocks, width = sums.shape[1], self.chunk_length
        current = count.div(width, rounding_mode="floor").unsqueeze(1)
        chunk = current - self.num_chunks + torch.arange(blocks, device=x.device)  # the one being filled last
        block = chunk.remainder(blocks)
        fill = count.remainder(width).unsqueeze(1)
        is_valid = torch.cat([chunk[:, :-1] >= 0, fill > 0], dim=1)
        length = torch.full_like(chunk, width)
        length[:, -1:] = fill.clamp(min=1)
        summary = torch.where(is_valid.unsqueeze(-1), take(sums, block), 0.0) / length.unsqueeze(-1)
        relevance = self._relevance(self._relevance_query(x).unsqueeze(1), summary).squeeze(1)
        index, is_chosen = select_chunks(relevance[:, :-1], is_valid[:, :-1], self.top_k)
        if self.attend_partial:
            index = torch.cat([index, torch.full_like(fill, blocks - 1)], dim=1)
            is_chosen = torch.cat([is_chosen, is_valid[:, -1:]], dim=1)
        weights = masked_softmax(relevance.gather(1, index), is_chosen).to(x.dtype)
        chosen, place = block.gather(1, index), torch.arange(width, device=x.device)
        tokens = take(store.unflatten(1, (blocks, width)), chosen)  # [B, k, C, D]
        held = place < length.gather(1, index).unsqueeze(-1)  # [B, k, C]
        is_token = held & is_chosen.unsqueeze(-1)
        tokens = empty_(tokens, ~is_token).flatten(1, 2)
        query = self.query(x).unflatten(-1, (self.num_heads, -1))
        key = self.key_value.weight.unflatten(0, (2, self.num_heads, -1))[0]  # [heads, size, D]
        query = torch.einsum("bhe,hed->bhd", query, key) * query.shape[-1] ** -0.5
        scores = (query @ tokens.mT).unflatten(-1, (-1, width)) + (query @ self.encoding.T).unsqueeze(2)
        inside = masked_softmax(scores, is_token.unsqueeze(1)) * weights[:, None, :, None]  # [B, heads, k, C]
        return inside, tokens, chosen.unsqueeze(-1) * width + place

    def _relevance_query(self, x: Tensor) -> Tensor:
        """Apply both projections of the relevance to the query; exactly, since a rounding may change the choice."""
        with torch.autocast(x.device.type, enabled=False):
            dtype = state_dtype(self.relevance_query.weight.dtype)
            query = linear(x.to(dtype), self.relevance_query.weight.to(dtype))
            return query @ self.relevance_key.weight.to(dtype) * query.shape[-1] ** -0.5

    def _relevance(self, relevance_query: Tensor, summary: Tensor) -> Tensor:
        """Score summaries [B, N, D] for relevance queries [B, S, D], [B, S, N]."""
        with torch.autocast(relevance_query.device.type, enabled=False):
            return relevance_query @ summary.mT

    def _weigh(
        self,
        relevance_query: Tensor,
        chunks: ChunkList,
        partial: Tensor,
        begin: Tensor,
        position: Tensor,
        row: int,
    ) -> tuple[Tensor, Tensor]:
        """Weigh the chunks [B, S, N] and the one being filled [B, S, 1] for each query of a slice."""
        length = self.chunk_length
        rows = row + torch.arange(position.shape[1], device=position.device)
        current = position.div(length, rounding_mode="floor")
        oldest = begin + (current - self.num_chunks).clamp(min=0) * length
        first = chunks.first.unsqueeze(1)
        is_valid = (first >= oldest.unsqueeze(-1)) & (first + length <= rows.unsqueeze(-1))
        relevance = self._relevance(relevance_query, chunks.sums / length)
        index, is_chosen = select_chunks(relevance, is_valid, self.top_k)
        is_selected = torch.zeros_like(is_valid).scatter(-1, index, is_chosen)
        offset = position.remainder(length).unsqueeze(-1)
        own = (relevance_query * (partial / offset.clamp(min=1))).sum(dim=-1, keepdim=True)
        relevance = torch.cat([relevance, own], dim=-1)
        is_selected = torch.cat([is_selected, (offset > 0) & self.attend_partial], dim=-1)
        weights = masked_softmax(relevance, is_selected)
        return weights[..., :-1], weights[..., -1:]

    def _read(
        self,
        query: Tensor,
        window: Tensor,
        first: Tensor,
        weights: Tensor,
        own_weight: Tensor,
        position: Tensor,
    ) -> Tensor:
        """Attend inside all chunks at once, and weigh what was read; most weights are zero.

        Args:
            query: [B, S, D].
            window: Keys and values of the tokens up to the slice's last row, [B, W + S, 2 D].
            first: Row of the chunks' first token in the slice, [B, N].
            weights: Of the chunks, [B, S, N].
            own_weight: Of the one being filled, [B, S, 1].
            position: Of the rows, [B, S].

        Returns:
            [B, S, D].
        """
        length, size, ends = query.shape[1], self.chunk_length, window.shape[1]
        query = split_heads(query, self.num_heads) * (query.shape[-1] // self.num_heads) ** -0.5
        index = (first + ends - length).clamp(0, ends - size).unsqueeze(-1) + torch.arange(
            size, device=first.device
        )
        tokens = take(window, index).flatten(1, 2)  # [B, N C, 2 D]
        key, value = (split_heads(part, self.num_heads) for part in tokens.chunk(2, dim=-1))
        inside = (query @ key.mT).unflatten(-1, (-1, size)).softmax(dim=-1)
        read = (inside * weights[:, None, :, :, None]).flatten(3) @ value
        if self.attend_partial:
            near = window[:, ends - length - size + 1 : ends - 1]
            key, value = (split_heads(part, self.num_heads) for part in near.chunk(2, dim=-1))
            row = torch.arange(length, device=first.device).unsqueeze(1)
            rows_ago = row + size - 1 - torch.arange(near.shape[1], device=first.device)  # [S, C - 1 + S - 1]
            is_own = (rows_ago > 0) & (rows_ago <= position.remainder(size).unsqueeze(-1))
            inside = masked_softmax(query @ key.mT, is_own.unsqueeze(1))
            read = read + (inside * own_weight.unsqueeze(1)) @ value
        return merge_heads(read)
