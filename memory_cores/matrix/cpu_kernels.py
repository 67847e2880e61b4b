"""The loops of matrix memories in host memory, compiled by numba when they are first called.

A head's matrix stays in the processor's nearest cache while its rows go by; the reverse computes the states of a chunk
of rows again, from the one kept before it.

Arrays are contiguous. `rows` are q and k [B, T, H, K], v [B, T, H, V], factors of decay [B, T, H, 1, K or V], and
strengths of the delta rule [B, T, H, 1], empty where there is none. Flags are [B, T], states [B, n, H, K, V].
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import compiled, inlined

Real: TypeAlias = NDArray[np.floating]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = tuple[Real, Real, Real, Real, Real]

FAST = {"contract", "reassoc"}
"""Sums along a matrix's rows go by vectors; NaN and infinities stay what they are."""


@inlined
def copy(x: Real, to: Real) -> None:
    """Write the numbers of a row, faster to compile than an assignment."""
    for d in range(len(x)):
        to[d] = x[d]


@inlined
def copy_matrix(x: Real, to: Real) -> None:
    """Write the numbers of a matrix."""
    for c in range(len(x)):
        copy(x[c], to[c])


@inlined
def clear(x: Real) -> None:
    """Write zeros to a row."""
    for d in range(len(x)):
        x[d] = 0


@inlined
def clear_matrix(x: Real) -> None:
    """Write zeros to a matrix."""
    for c in range(len(x)):
        clear(x[c])


@inlined
def spread_decay(keep: Real, of_values: bool, of_keys: Real, of_channels: Real) -> None:
    """Write one row's decay as a factor for each key channel and one for each value channel."""
    if of_values:
        copy(keep, of_channels)
    else:
        stride = 1 if len(keep) > 1 else 0
        for c in range(len(of_keys)):
            of_keys[c] = keep[c * stride]


@inlined
def take_error(before: Real, k: Real, v: Real, of_keys: Real, error: Real) -> None:
    """Write v − S̃ᵀ k, which the delta rule corrects."""
    copy(v, error)
    for c in range(len(k)):
        factor, row = of_keys[c] * k[c], before[c]
        for d in range(len(v)):
            error[d] -= factor * row[d]


@inlined
def write(before: Real, k: Real, u: Real, of_keys: Real, of_channels: Real, after: Real) -> None:
    """Write a ⊙ S + k uᵀ."""
    for c in range(len(k)):
        keep, factor, row, out = of_keys[c], k[c], before[c], after[c]
        for d in range(len(u)):
            out[d] = keep * of_channels[d] * row[d] + factor * u[d]


@inlined
def write_and_read(q: Real, k: Real, u: Real, of_keys: Real, of_channels: Real, state: Real, y: Real) -> None:
    """Write a ⊙ S + k uᵀ in the place of S, and y = Sᵀ q."""
    clear(y)
    for c in range(len(k)):
        keep, factor, asked, row = of_keys[c], k[c], q[c], state[c]
        for d in range(len(u)):
            value = keep * of_channels[d] * row[d] + factor * u[d]
            row[d] = value
            y[d] += asked * value


@inlined
def reverse_write_and_read(
    after: Real, q: Real, k: Real, u: Real, grad_y: Real, grad: Real, grad_q: Real, grad_k: Real, grad_u: Real
) -> None:
    """Add to the gradient to S what came through y; write those to q, k and u."""
    clear(grad_u)
    for c in range(len(k)):
        factor, asked, row, g = k[c], q[c], after[c], grad[c]
        of_q, of_k = u.dtype.type(0), u.dtype.type(0)
        for d in range(len(u)):
            value = g[d] + asked * grad_y[d]
            g[d] = value
            of_q += row[d] * grad_y[d]
            of_k += value * u[d]
            grad_u[d] += factor * value
        grad_q[c], grad_k[c] = of_q, of_k


@inlined
def reverse_error(before: Real, k: Real, keep: Real, grad_error: Real, grad: Real, grad_k: Real) -> None:
    """Add to the gradients to S̃ and k what came through v − S̃ᵀ k."""
    stride = 1 if len(keep) > 1 else 0
    for c in range(len(k)):
        factor, row, g = k[c], before[c], grad[c]
        found = k.dtype.type(0)
        for d in range(len(grad_error)):
            g[d] -= factor * grad_error[d]
            found += row[d] * grad_error[d]
        grad_k[c] -= keep[c * stride] * found


@inlined
def reverse_decay(before: Real, keep: Real, of_values: bool, grad: Real, grad_keep: Real) -> None:
    """Turn the gradient to S̃ into that to S; write that to the decay."""
    clear(grad_keep)
    stride = 1 if len(keep) > 1 else 0
    for c in range(len(grad)):
        row, g = before[c], grad[c]
        if of_values:
            for d in range(len(row)):
                grad_keep[d] += g[d] * row[d]
                g[d] *= keep[d]
        else:
            factor, found = keep[c * stride], keep.dtype.type(0)
            for d in range(len(row)):
                found += g[d] * row[d]
                g[d] *= factor
            grad_keep[c * stride] += found


@inlined
def is_any(x: Real) -> bool:
    """Tell whether a number of a row is not zero."""
    found = False
    for d in range(len(x)):
        found |= x[d] != 0
    return found


@inlined
def add(x: Real, to: Real) -> bool:
    """Add a matrix to another, and tell whether a number of it is not zero."""
    found = False
    for c in range(len(x)):
        found |= is_any(x[c])
        for d in range(len(x[c])):
            to[c, d] += x[c, d]
    return found


@inlined
def find_states(
    rows: Rows,
    is_first: Flags,
    of_values: bool,
    i: int,
    h: int,
    begin: int,
    states: Real,
    errors: Real,
    writes: Real,
) -> None:
    """Write the states after each row of a chunk behind the one before it, and what the rows wrote."""
    _, k, v, keep, strength = rows
    of_keys, of_channels = np.ones(k.shape[3], k.dtype), np.ones(v.shape[3], k.dtype)
    for c in range(min(len(writes), k.shape[1] - begin)):
        t = begin + c
        before = states[-1] if is_first[i, t] else states[c]
        spread_decay(keep[i, t, h], of_values, of_keys, of_channels)
        u = writes[c]
        copy(v[i, t, h], u)
        if strength.size:
            take_error(before, k[i, t, h], v[i, t, h], of_keys, errors[c])
            for d in range(len(u)):
                u[d] = strength[i, t, h, 0] * errors[c, d]
        write(before, k[i, t, h], u, of_keys, of_channels, states[c + 1])


@inlined
def reverse_row(
    rows: Rows,
    of_values: bool,
    i: int,
    t: int,
    h: int,
    before: Real,
    after: Real,
    error: Real,
    u: Real,
    grad_y: Real,
    grad: Real,
    grads: Rows,
) -> None:
    """Turn the gradient to the state after a row into that to the one before it; write those to the row."""
    q, k, _, keep, strength = rows
    of_k, of_u = grads[1][i, t, h], grads[2][i, t, h]
    reverse_write_and_read(
        after, q[i, t, h], k[i, t, h], u, grad_y[i, t, h], grad, grads[0][i, t, h], of_k, of_u
    )
    if strength.size:
        total = u.dtype.type(0)
        for d in range(len(u)):
            total += of_u[d] * error[d]
            of_u[d] *= strength[i, t, h, 0]
        grads[4][i, t, h, 0] = total
        reverse_error(before, k[i, t, h], keep[i, t, h], of_u, grad, of_k)
    reverse_decay(before, keep[i, t, h], of_values, grad, grads[3][i, t, h])


def _forward(
    rows: Rows,
    is_first: Flags,
    before: Real,
    of_values: bool,
    carry_every: int,
    chunk: int,
    y: Real,
    states: Real,
    kept: Real,
) -> None:
    """Write y, the states that are carried on, and, unless `kept` is empty, those before every chunk of rows."""
    q, k, v, keep, strength = rows
    state, error = np.empty(before.shape[3:], k.dtype), np.empty(v.shape[3], k.dtype)
    of_keys, of_channels = np.ones(k.shape[3], k.dtype), np.ones(v.shape[3], k.dtype)
    for i in range(k.shape[0]):
        for h in range(k.shape[2]):
            copy_matrix(before[i, 0, h], state)
            for t in range(k.shape[1]):
                if kept.size and t % chunk == 0:
                    copy_matrix(state, kept[i, t // chunk, h])
                if is_first[i, t]:
                    clear_matrix(state)
                spread_decay(keep[i, t, h], of_values, of_keys, of_channels)
                u = v[i, t, h]
                if strength.size:
                    take_error(state, k[i, t, h], u, of_keys, error)
                    for d in range(len(u)):
                        error[d] *= strength[i, t, h, 0]
                    u = error
                write_and_read(q[i, t, h], k[i, t, h], u, of_keys, of_channels, state, y[i, t, h])
                if carry_every and (t + 1) % carry_every == 0:
                    copy_matrix(state, states[i, t // carry_every, h])
            if not carry_every:
                copy_matrix(state, states[i, 0, h])


def _backward(
    rows: Rows,
    is_first: Flags,
    kept: Real,
    of_values: bool,
    carry_every: int,
    chunk: int,
    grad_y: Real,
    grad_states: Real,
    grads: Rows,
    grad_before: Real,
) -> None:
    """Write the gradients over zeros; rows that nothing came back to have none, whatever their states are."""
    batch, length, heads, _ = grad_y.shape
    grad = np.empty(kept.shape[3:], kept.dtype)
    states = np.zeros((chunk + 2, *kept.shape[3:]), kept.dtype)  # the last is that before an episode
    errors, writes = (
        np.empty((chunk, kept.shape[4]), kept.dtype),
        np.empty((chunk, kept.shape[4]), kept.dtype),
    )
    for i in range(batch):
        for h in range(heads):
            clear_matrix(grad)
            is_reached = False
            for begin in range((kept.shape[1] - 1) * chunk, -1, -chunk):
                copy_matrix(kept[i, begin // chunk, h], states[0])
                find_states(rows, is_first, of_values, i, h, begin, states, errors, writes)
                for t in range(min(begin + chunk, length) - 1, begin - 1, -1):
                    if (t + 1) % carry_every == 0 if carry_every else t == length - 1:
                        given = grad_states[i, t // carry_every if carry_every else 0, h]
                        is_reached |= add(given, grad)
                    is_reached = is_reached or is_any(grad_y[i, t, h])
                    if not is_reached:
                        continue
                    c = t - begin
                    before = states[-1] if is_first[i, t] else states[c]
                    reverse_row(
                        rows,
                        of_values,
                        i,
                        t,
                        h,
                        before,
                        states[c + 1],
                        errors[c],
                        writes[c],
                        grad_y,
                        grad,
                        grads,
                    )
                    if is_first[i, t]:
                        clear_matrix(grad)
                        is_reached = False
            copy_matrix(grad, grad_before[i, 0, h])


def _run_maxima(scores: Real, gains: Real, is_first: Flags, before: Real, maxima: Real) -> None:
    """Write m[t] = max(m[t−1] + gains[t], scores[t]), all [B, T, H]; m[t−1] is zero where an episode begins."""
    for i in range(len(scores)):
        for t in range(scores.shape[1]):
            last, row = maxima[i, t - 1] if t else before[i], maxima[i, t]
            for h in range(scores.shape[2]):
                carried = gains[i, t, h] if is_first[i, t] else last[h] + gains[i, t, h]
                row[h] = max(carried, scores[i, t, h])


def _reverse_maxima(
    scores: Real,
    gains: Real,
    is_first: Flags,
    before: Real,
    maxima: Real,
    grad: Real,
    grad_scores: Real,
    grad_gains: Real,
    grad_before: Real,
) -> None:
    """Write the gradients; that to the maximum of equal ones goes to both by halves, as torch's does."""
    none, half, one = grad.dtype.type(0), grad.dtype.type(0.5), grad.dtype.type(1)
    for i in range(len(scores)):
        back = grad_before[i]  # what comes back to the row before
        clear(back)
        for t in range(scores.shape[1] - 1, -1, -1):
            last = maxima[i, t - 1] if t else before[i]
            for h in range(scores.shape[2]):
                carried = gains[i, t, h] if is_first[i, t] else last[h] + gains[i, t, h]
                given = grad[i, t, h] + back[h]
                share = half if carried == scores[i, t, h] else (one if carried > scores[i, t, h] else none)
                grad_gains[i, t, h] = share * given
                grad_scores[i, t, h] = given - share * given
                back[h] = none if is_first[i, t] else share * given


forward = compiled(_forward, fastmath=FAST)
backward = compiled(_backward, fastmath=FAST)
run_maxima = compiled(_run_maxima)
reverse_maxima = compiled(_reverse_maxima)
