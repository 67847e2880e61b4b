"""The loops of the linear scan in host memory, compiled by numba when they are first called.

Arrays are contiguous and real. Complex numbers are pairs, so that their D numbers are 2 D entries; the
running state is held with the parts apart, which is what lets the compiler use vectors. Transitions are
[1, D] if constant, else [B T, D]; flags are [B, T].

Memory is read and written in ascending order, since going down it measured three times slower. The reverse
recurrence therefore works in blocks of rows: one pass upwards brings a block into the cache, the recurrence
goes down within the cache, and another pass upwards takes the products with the states.

Compiled code is kept beside this file, names its package, and is taken as long as the file has its time and size.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import contracted

Real: TypeAlias = NDArray[np.floating]
Flags: TypeAlias = NDArray[np.bool_]

BLOCK_BYTES = 131_072
"""What a block holds of each sequence: the three of them stay in a core's own cache."""


@contracted
def forward_real(a: Real, b: Real, is_first: Flags, carry: Real, initial: Real, states: Real) -> None:
    """Write all states, [B, T, D]."""
    batch, length, width = b.shape
    varying = 1 if len(a) == batch * length else 0
    state = np.empty(width, b.dtype)
    for i in range(batch):
        state[:] = carry[i]
        for t in range(length):
            if is_first[i, t]:
                state[:] = initial
            a_t, b_t, out = a[(i * length + t) * varying], b[i, t], states[i, t]
            for d in range(width):
                value = a_t[d] * state[d] + b_t[d]
                state[d] = value
                out[d] = value


@contracted
def forward_complex(a: Real, b: Real, is_first: Flags, carry: Real, initial: Real, states: Real) -> None:
    """Write all states, [B, T, 2 D]."""
    batch, length, width = b.shape[0], b.shape[1], b.shape[2] // 2
    varying = 1 if len(a) == batch * length else 0
    real, imag = np.empty(width, b.dtype), np.empty(width, b.dtype)
    for i in range(batch):
        start = carry[i]
        for t in range(length):
            if is_first[i, t]:
                start = initial
            if t == 0 or is_first[i, t]:
                for d in range(width):
                    real[d], imag[d] = start[2 * d], start[2 * d + 1]
            a_t, b_t, out = a[(i * length + t) * varying], b[i, t], states[i, t]
            for d in range(width):
                x = a_t[2 * d] * real[d] - a_t[2 * d + 1] * imag[d] + b_t[2 * d]
                y = a_t[2 * d] * imag[d] + a_t[2 * d + 1] * real[d] + b_t[2 * d + 1]
                real[d], imag[d] = x, y
                out[2 * d], out[2 * d + 1] = x, y


@contracted
def backward_real(
    a: Real,
    is_first: Flags,
    carry: Real,
    initial: Real,
    states: Real,
    grad: Real,
    needs_a: bool,
    grad_a: Real,
    grad_b: Real,
    grad_carry: Real,
    grad_initial: Real,
) -> None:
    """Write the gradients: to a constant transition and to the initial state one for each environment."""
    batch, length, width = grad.shape
    varying = 1 if len(a) == batch * length else 0
    block = max(1, BLOCK_BYTES // max(1, width * grad.itemsize))
    through, total = np.empty(width, grad.dtype), np.empty(width, grad.dtype)
    for i in range(batch):
        through[:] = 0  # the gradient to the state before the row in hand
        total[:] = 0
        of_initial = grad_initial[i]
        of_initial[:] = 0
        for end in range(length, 0, -block):
            begin = max(end - block, 0)
            for t in range(begin, end):
                row, g = grad[i, t], grad_b[i, t]
                for d in range(width):
                    g[d] = row[d]
            for t in range(end - 1, begin - 1, -1):
                g, a_t = grad_b[i, t], a[(i * length + t) * varying]
                for d in range(width):
                    value = g[d] + through[d]
                    g[d] = value
                    through[d] = a_t[d] * value
                if is_first[i, t]:
                    for d in range(width):
                        of_initial[d] += through[d]
                    through[:] = 0
            for t in range(begin if needs_a else end, end):
                before = initial if is_first[i, t] else (states[i, t - 1] if t > 0 else carry[i])
                g = grad_b[i, t]
                if varying:
                    out = grad_a[i * length + t]
                    for d in range(width):
                        out[d] = g[d] * before[d]
                else:
                    for d in range(width):
                        total[d] += g[d] * before[d]
        grad_carry[i] = through
        if needs_a and not varying:
            grad_a[i] = total


@contracted
def backward_complex(
    a: Real,
    is_first: Flags,
    carry: Real,
    initial: Real,
    states: Real,
    grad: Real,
    needs_a: bool,
    grad_a: Real,
    grad_b: Real,
    grad_carry: Real,
    grad_initial: Real,
) -> None:
    """Write the gradients as `backward_real` does, of pairs; factors are conjugated."""
    batch, length, width = grad.shape[0], grad.shape[1], grad.shape[2] // 2
    varying = 1 if len(a) == batch * length else 0
    block = max(1, BLOCK_BYTES // max(1, 2 * width * grad.itemsize))
    real, imag = np.empty(width, grad.dtype), np.empty(width, grad.dtype)
    total_real, total_imag = np.empty(width, grad.dtype), np.empty(width, grad.dtype)
    for i in range(batch):
        for part in (real, imag, total_real, total_imag):
            part[:] = 0
        of_initial = grad_initial[i]
        of_initial[:] = 0
        for end in range(length, 0, -block):
            begin = max(end - block, 0)
            for t in range(begin, end):
                row, g = grad[i, t], grad_b[i, t]
                for d in range(2 * width):
                    g[d] = row[d]
            for t in range(end - 1, begin - 1, -1):
                g, a_t = grad_b[i, t], a[(i * length + t) * varying]
                for d in range(width):
                    x, y = g[2 * d] + real[d], g[2 * d + 1] + imag[d]
                    g[2 * d], g[2 * d + 1] = x, y
                    real[d] = a_t[2 * d] * x + a_t[2 * d + 1] * y
                    imag[d] = a_t[2 * d] * y - a_t[2 * d + 1] * x
                if is_first[i, t]:
                    for d in range(width):
                        of_initial[2 * d] += real[d]
                        of_initial[2 * d + 1] += imag[d]
                    real[:] = 0
                    imag[:] = 0
            for t in range(begin if needs_a else end, end):
                before = initial if is_first[i, t] else (states[i, t - 1] if t > 0 else carry[i])
                g = grad_b[i, t]
                if varying:
                    out = grad_a[i * length + t]
                    for d in range(width):
                        x, y, u, v = g[2 * d], g[2 * d + 1], before[2 * d], before[2 * d + 1]
                        out[2 * d], out[2 * d + 1] = x * u + y * v, y * u - x * v
                else:
                    for d in range(width):
                        x, y, u, v = g[2 * d], g[2 * d + 1], before[2 * d], before[2 * d + 1]
                        total_real[d] += x * u + y * v
                        total_imag[d] += y * u - x * v
        for d in range(width):
            grad_carry[i, 2 * d], grad_carry[i, 2 * d + 1] = real[d], imag[d]
            if needs_a and not varying:
                grad_a[i, 2 * d], grad_a[i, 2 * d + 1] = total_real[d], total_imag[d]
