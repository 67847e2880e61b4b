"""SplitMix64, of which every keyed draw is made: in integers, arrays, tensors of any device, and compiled loops.

Source: Steele, Lea and Flood 2014.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

WEYL = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
SHIFTS = (30, 27, 31)
MASK = (1 << 64) - 1
_ARRAY_ROUNDS = [
    (np.uint64(shift), np.uint64(factor)) for shift, factor in zip(SHIFTS, MULTIPLIERS, strict=False)
]
_ARRAY_LAST = np.uint64(SHIFTS[2])


def mix_integer(state: int) -> int:
    """Scramble an integer in [0, 2**64)."""
    for shift, multiplier in zip(SHIFTS, (*MULTIPLIERS, 1), strict=True):
        state = ((state ^ (state >> shift)) * multiplier) & MASK
    return state


def mix_array(state: np.ndarray) -> np.ndarray:
    """Scramble uint64 values of an array of one axis or more, whose products wrap without a warning."""
    for shift, multiplier in _ARRAY_ROUNDS:
        state = (state ^ (state >> shift)) * multiplier
    return state ^ (state >> _ARRAY_LAST)


def mix_(state: Tensor) -> Tensor:
    """Scramble int64 values in place, which must be the caller's own; returns them."""
    for shift, multiplier in zip(SHIFTS[:2], MULTIPLIERS, strict=True):
        state = state.bitwise_xor_(shift_right(state, shift)).mul_(signed(multiplier))
    return state.bitwise_xor_(shift_right(state, SHIFTS[2]))


def shift_right(value: Tensor, shift: int) -> Tensor:
    """Shift int64 values logically: torch's `>>` copies the sign, so the copies are masked away."""
    return (value >> shift).bitwise_and_((1 << (64 - shift)) - 1)


def signed(value: int) -> int:
    """The int64 with the same 64 bits, because torch takes no larger Python integer."""
    value &= MASK
    return value - (1 << 64) if value >> 63 else value
