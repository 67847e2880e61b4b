"""Memories that outer products are written to: compiled loops on a CPU, and by chunks of rows elsewhere."""

import torch
from torch import Tensor

from engram.common.tracing import is_traced
from engram.memory_cores.matrix.decay import decayed_chunks
from engram.memory_cores.matrix.delta import delta_chunks


def decayed_memory(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
    carry_every: int = 0,
    of_values: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run S[t] = exp(g[t]) S[t−1] + k[t] v[t]ᵀ, y[t] = q[t]ᵀ S[t], where S[t−1] is zero wherever an episode begins.

    Args:
        query: q, finite, [B, T, H, K].
        key: k, finite, [B, T, H, K].
        value: v, finite, [B, T, H, V].
        log_decay: g, finite and at most 0, of heads [B, T, H] or of their key channels [B, T, H, K]; None is zero.
        is_first: Whether a row begins an episode, [B, T] bool.
        state: S before row 0, [B, H, K, V].
        carry_every: Which states are wanted, as `take_rows` has it. Default: 0, the last.
        of_values: Decay the value channels, g [B, T, H, V], in the place of the key channels. Default: False.

    Returns:
        y [B, T, H, V], and the states, [B, H, K, V] or with `carry_every` [B, T // carry_every, H, K, V].
    """

    def chunks(
        q: Tensor, k: Tensor, v: Tensor, g: Tensor | None, _: None, before: Tensor
    ) -> tuple[Tensor, Tensor]:
        return decayed_chunks(q, k, v, g, is_first, before, carry_every, of_values)

    rows = query, key, value, log_decay, None, state
    if not _has_loops(query):
        return chunks(*rows)
    from engram.memory_cores.matrix.cpu import MatrixRows

    return MatrixRows.apply(chunks, carry_every, of_values, is_first, *rows, torch.is_grad_enabled())


def delta_memory(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    strength: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
    carry_every: int = 0,
) -> tuple[Tensor, Tensor]:
    """Run S̃ = exp(g[t]) S[t−1], S[t] = S̃ + k[t] (β[t] (v[t] − S̃ᵀ k[t]))ᵀ, y[t] = q[t]ᵀ S[t].

    S[t−1] is zero wherever an episode begins.

    Args:
        query: q, finite, [B, T, H, K].
        key: k, finite, [B, T, H, K], of length one as a rule.
        value: v, finite, [B, T, H, V].
        strength: β, finite, [B, T, H]; between 0 and 1, or up to 2 if eigenvalues may be negative.
        log_decay: g, finite and at most 0, [B, T, H]; None is zero.
        is_first: Whether a row begins an episode, [B, T] bool.
        state: S before row 0, [B, H, K, V].
        carry_every: Which states are wanted, as `take_rows` has it. Default: 0, the last.

    Returns:
        y [B, T, H, V], and the states, [B, H, K, V] or with `carry_every` [B, T // carry_every, H, K, V].
    """

    def chunks(
        q: Tensor, k: Tensor, v: Tensor, g: Tensor | None, beta: Tensor, before: Tensor
    ) -> tuple[Tensor, Tensor]:
        return delta_chunks(q, k, v, beta, g, is_first, before, carry_every)

    rows = query, key, value, log_decay, strength, state
    if not _has_loops(query):
        return chunks(*rows)
    from engram.memory_cores.matrix.cpu import MatrixRows

    return MatrixRows.apply(chunks, carry_every, False, is_first, *rows, torch.is_grad_enabled())


def _has_loops(rows: Tensor) -> bool:
    return not is_traced() and rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64)
