"""Memories that outer products are written to: compiled loops on a CPU, and by chunks of rows elsewhere."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from engram.common.tracing import is_traced
from engram.memory_cores.carry import select_initial, take_rows
from engram.memory_cores.matrix.chunks import finite_where_reset
from engram.memory_cores.matrix.decay import decayed_chunks
from engram.memory_cores.matrix.delta import delta_chunks
from engram.memory_cores.matrix.stabilised import States, joined, normalised, parted, stabilised_chunks


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

    rows = query, key, value, log_decay, None
    if not _has_loops(query):
        return chunks(*rows, state)
    from engram.memory_cores.matrix.cpu import MatrixRows

    state = _finite_before_reset(state, is_first)
    return MatrixRows.apply(chunks, carry_every, of_values, is_first, *rows, state, torch.is_grad_enabled())


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

    rows = query, key, value, log_decay, strength
    if not _has_loops(query):
        return chunks(*rows, state)
    from engram.memory_cores.matrix.cpu import MatrixRows

    state = _finite_before_reset(state, is_first)
    return MatrixRows.apply(chunks, carry_every, False, is_first, *rows, state, torch.is_grad_enabled())


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
    """
    if not _has_loops(query):
        return stabilised_chunks(query, key, value, input_gate, forget_gate, is_first, states, carry_every)
    from engram.memory_cores.matrix.maxima import RunningMaxima

    first = _finite_before_reset(states[2], is_first)
    gain = logsigmoid(forget_gate)
    maximum = RunningMaxima.apply(input_gate, gain, is_first, first)
    before = torch.cat([first.unsqueeze(1), maximum[:, :-1]], dim=1)
    log_decay = select_initial(is_first, 0.0, before) + gain - maximum
    value, state = joined(value, states)
    key = key * (input_gate - maximum).exp().unsqueeze(-1)
    read, after = decayed_memory(query, key, value, log_decay, is_first, state, carry_every)
    return normalised(read, maximum), (*parted(after), take_rows(maximum, carry_every))


def _has_loops(rows: Tensor) -> bool:
    return not is_traced() and rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64)


def _finite_before_reset(state: Tensor, is_first: Tensor) -> Tensor:
    """Hide a carried state that is not finite, [B, *], if its episode ends within the rows, [B, T]."""
    return finite_where_reset(state.unsqueeze(1), is_first.any(dim=1, keepdim=True)).squeeze(1)
