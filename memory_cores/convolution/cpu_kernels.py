"""The loops of a short convolution in host memory, compiled by numba when they are first called.

Arrays are contiguous: rows [B, T, n], those before them [B, taps - 1, n], oldest first, flags [B, T], and taps
[taps, n], the present row's last.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import contracted

Real: TypeAlias = NDArray[np.floating]
Flags: TypeAlias = NDArray[np.bool_]


@contracted
def convolve(x: Real, before: Real, is_first: Flags, taps: Real, y: Real) -> None:
    """Write y, [B, T, n]."""
    batch, length, width = x.shape
    earlier = len(taps) - 1
    for i in range(batch):
        seen = earlier  # rows before the present one that are of its episode, as far as taps reach
        for t in range(length):
            seen = 0 if is_first[i, t] else min(seen, earlier)
            out, row, tap = y[i, t], x[i, t], taps[earlier]
            for d in range(width):
                out[d] = tap[d] * row[d]
            for lag in range(1, seen + 1):
                source = x[i, t - lag] if t >= lag else before[i, earlier + t - lag]
                tap = taps[earlier - lag]
                for d in range(width):
                    out[d] += tap[d] * source[d]
            seen += 1


@contracted
def convolve_backward(
    grad: Real,
    x: Real,
    before: Real,
    is_first: Flags,
    taps: Real,
    grad_x: Real,
    grad_before: Real,
    grad_taps: Real,
) -> None:
    """Add to the gradients, which are zero at first; that to taps is [B, taps, n]."""
    batch, length, width = x.shape
    earlier = len(taps) - 1
    for i in range(batch):
        seen = earlier
        for t in range(length):
            seen = 0 if is_first[i, t] else min(seen, earlier)
            given = grad[i, t]
            for lag in range(seen + 1):
                inside = t >= lag
                source = x[i, t - lag] if inside else before[i, earlier + t - lag]
                target = grad_x[i, t - lag] if inside else grad_before[i, earlier + t - lag]
                tap, sums = taps[earlier - lag], grad_taps[i, earlier - lag]
                for d in range(width):
                    target[d] += tap[d] * given[d]
                    sums[d] += source[d] * given[d]
            seen += 1
