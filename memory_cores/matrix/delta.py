"""The gated delta rule by chunks of rows: what a chunk's rows really write follows from a triangular solve."""

import torch
from torch import Tensor

from engram.memory_cores.matrix.chunks import CHUNK, Chunks, Segments, finite_where_reset
from engram.memory_cores.matrix.decay import decay_between, weights_across


def delta_chunks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    strength: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
    carry_every: int,
) -> tuple[Tensor, Tensor]:
    """Compute what `delta_memory` does, whose arguments and result these are.

    What the rows of a chunk write, W, solves (I + A) W = β (v − kᵀ of the decayed state before it), where A[i, j], for
    j before i, is β[i] k[i]ᵀk[j] times what is left at row i of row j. One solve for all chunks; only two products with
    the state go chunk by chunk.

    Source: Yang et al., "Parallelizing linear transformers with the delta rule over sequence length", 2024, section 3;
    Yang et al., "Gated delta networks: improving Mamba2 with delta rule", 2025, section 3.3.
    """
    chunks = Chunks.of(query.shape[1], carry_every, CHUNK)
    q, k, v, beta = (chunks.heads(part) for part in (query, key, value, strength.unsqueeze(-1)))
    segments = Segments.of(chunks.split(is_first))
    log_decay = query.new_zeros(*query.shape[:3]) if log_decay is None else log_decay
    decay = segments.decayed(chunks.heads(log_decay))
    to_row, to_end = weights_across(decay, segments)
    between = decay_between(decay, segments)
    unit = torch.eye(chunks.chunk, dtype=q.dtype, device=q.device)
    own, read = torch.linalg.solve_triangular(
        (beta * (k @ k.mT) * between).tril(-1) + unit,
        torch.cat([beta * v, beta * to_row * k], dim=-1),
        upper=False,
        unitriangular=True,
    ).split((v.shape[-1], k.shape[-1]), dim=-1)
    before, writes, after = _over_chunks(
        own, read, (k * to_end).mT, to_row[..., -1:, :], segments.has_reset, state
    )
    y = (q * to_row) @ before + (q @ k.mT * between) @ writes
    return chunks.merge(y), chunks.carries(after, carry_every)


def _over_chunks(
    own: Tensor, read: Tensor, keys: Tensor, keep: Tensor, has_reset: Tensor, state: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the states from chunk to chunk: writes = own − read S, S' = keep S + keysᵀ writes.

    Args:
        own: What rows would write of an empty state, [B, N, H, C, V].
        read: What they take from it of the state before, [B, N, H, C, K].
        keys: Decayed to the chunk's end, [B, N, H, K, C].
        keep: What is left of the state at the chunk's end, [B, N, H, 1, 1].
        has_reset: Whether nothing is, [B, N].
        state: S before the first chunk, [B, H, K, V].

    Returns:
        The states before every chunk [B, N, H, K, V], the writes [B, N, H, C, V], and the states after.
    """
    befores, writes, afters = [], [], []
    for n in range(own.shape[1]):
        before = finite_where_reset(state.unsqueeze(1), has_reset[:, n : n + 1]).squeeze(1)
        write = own[:, n] - read[:, n] @ before
        state = keep[:, n] * before + keys[:, n] @ write
        befores.append(before)
        writes.append(write)
        afters.append(state)
    return torch.stack(befores, dim=1), torch.stack(writes, dim=1), torch.stack(afters, dim=1)
