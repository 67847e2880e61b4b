"""Matrix memories row by row: what the chunked forms equal, with the same arguments."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from engram.memory_cores.carry import select_initial, take_rows


def decayed_memory_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
    carry_every: int = 0,
    of_values: bool = False,
) -> tuple[Tensor, Tensor]:
    """See `decayed_memory`."""
    outputs, states = [], []
    for t in range(query.shape[1]):
        state = select_initial(is_first[:, t], 0.0, state)
        g = None if log_decay is None else log_decay[:, t]
        y, state = decayed_row(query[:, t], key[:, t], value[:, t], g, state, of_values)
        outputs.append(y)
        states.append(state)
    return torch.stack(outputs, dim=1), take_rows(torch.stack(states, dim=1), carry_every)


def delta_memory_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    strength: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
    carry_every: int = 0,
) -> tuple[Tensor, Tensor]:
    """See `delta_memory`."""
    outputs, states = [], []
    for t in range(query.shape[1]):
        state = select_initial(is_first[:, t], 0.0, state)
        g = None if log_decay is None else log_decay[:, t]
        y, state = delta_row(query[:, t], key[:, t], value[:, t], strength[:, t], g, state)
        outputs.append(y)
        states.append(state)
    return torch.stack(outputs, dim=1), take_rows(torch.stack(states, dim=1), carry_every)


def stabilised_memory_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    input_gate: Tensor,
    forget_gate: Tensor,
    is_first: Tensor,
    states: tuple[Tensor, Tensor, Tensor],
    carry_every: int = 0,
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """See `stabilised_memory`."""
    outputs, kept = [], []
    for t in range(query.shape[1]):
        matrix, normaliser, maximum = (select_initial(is_first[:, t], 0.0, state) for state in states)
        row = query[:, t], key[:, t], value[:, t], input_gate[:, t], forget_gate[:, t]
        y, states = stabilised_row(*row, (matrix, normaliser, maximum))
        outputs.append(y)
        kept.append(states)
    after: Any = tuple(take_rows(torch.stack(part, dim=1), carry_every) for part in zip(*kept, strict=True))
    return torch.stack(outputs, dim=1), after


def decayed_row(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None,
    state: Tensor,
    of_values: bool = False,
) -> tuple[Tensor, Tensor]:
    """Move a matrix memory by one row: S' = exp(g) S + k vᵀ, y = qᵀ S'.

    Args:
        query: [B, H, K].
        key: [B, H, K].
        value: [B, H, V].
        log_decay: g of a head, [B, H], or of its key channels, [B, H, K]; None is zero.
        state: S, reset already, [B, H, K, V].
        of_values: Decay the value channels, g [B, H, V], in the place of the key channels. Default: False.

    Returns:
        y [B, H, V], and S'.
    """
    state = _decay(state, log_decay, of_values) + key.unsqueeze(-1) * value.unsqueeze(-2)
    return _read(query, state), state


def delta_row(
    query: Tensor, key: Tensor, value: Tensor, strength: Tensor, log_decay: Tensor | None, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Move a matrix memory by the delta rule: S' = S̃ + k (β (v − S̃ᵀ k))ᵀ with S̃ = exp(g) S, y = qᵀ S'.

    Args:
        query: [B, H, K].
        key: [B, H, K], of length one as a rule.
        value: [B, H, V].
        strength: β, [B, H].
        log_decay: g, [B, H]; None is zero.
        state: S, reset already, [B, H, K, V].

    Returns:
        y [B, H, V], and S'.
    """
    state = _decay(state, log_decay)
    error = strength.unsqueeze(-1) * (value - _read(key, state))
    state = state + key.unsqueeze(-1) * error.unsqueeze(-2)
    return _read(query, state), state


EPSILON = 1e-6


def stabilised_row(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    input_gate: Tensor,
    forget_gate: Tensor,
    states: tuple[Tensor, Tensor, Tensor],
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Move mLSTM's memory by one row.

    m' = max(log σ(f) + m, i), C' = exp(log σ(f) + m − m') C + exp(i − m') k vᵀ, n' likewise with k alone;
    y = qᵀ C' / (max(|qᵀ n'|, exp(−m')) + ε).

    Args:
        query: [B, H, K].
        key: [B, H, K], scaled already.
        value: [B, H, V].
        input_gate: i before its exponential, [B, H].
        forget_gate: f before its sigmoid, [B, H].
        states: C [B, H, K, V], n [B, H, K] and m [B, H], reset already.

    Returns:
        y [B, H, V], and the states after the row.
    """
    matrix, normaliser, maximum = states
    kept = logsigmoid(forget_gate) + maximum
    maximum = torch.maximum(kept, input_gate)
    forget, write = (kept - maximum).exp().unsqueeze(-1), (input_gate - maximum).exp().unsqueeze(-1)
    matrix = forget.unsqueeze(-1) * matrix + (write * key).unsqueeze(-1) * value.unsqueeze(-2)
    normaliser = forget * normaliser + write * key
    bound = torch.maximum((query * normaliser).sum(-1).abs(), (-maximum).exp()) + EPSILON
    return _read(query, matrix) / bound.unsqueeze(-1), (matrix, normaliser, maximum)


def _decay(state: Tensor, log_decay: Tensor | None, of_values: bool = False) -> Tensor:
    if log_decay is None:
        return state
    decay = log_decay.exp()
    if decay.dim() == 2:
        return decay.unsqueeze(-1).unsqueeze(-1) * state
    return decay.unsqueeze(-2 if of_values else -1) * state


def _read(query: Tensor, state: Tensor) -> Tensor:
    return (query.unsqueeze(-2) @ state).squeeze(-2)
