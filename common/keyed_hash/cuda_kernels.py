"""The kernels of keyed draws: one number for each lane, hashed in 64 bits without a sign."""

# mypy: disable-error-code="no-untyped-def, assignment"

import math

import triton
import triton.language as tl

from engram.common import splitmix64

WEYL, COUNTER_STEP = tl.constexpr(splitmix64.WEYL), tl.constexpr(splitmix64.MULTIPLIERS[1])
FIRST, SECOND = (tl.constexpr(value) for value in splitmix64.MULTIPLIERS)
SHIFT_1, SHIFT_2, SHIFT_3 = (tl.constexpr(value) for value in splitmix64.SHIFTS)
LOWER_HALF, TURN = tl.constexpr(0xFFFFFFFF), tl.constexpr(math.tau * 2.0**-32)


@triton.jit
def _mix(state):
    """Scramble numbers as `splitmix64.mix_integer` does."""
    state = (state ^ (state >> SHIFT_1)) * FIRST
    state = (state ^ (state >> SHIFT_2)) * SECOND
    return state ^ (state >> SHIFT_3)


@triton.jit
def _signless(value, zero):
    """Return the 64 bits of integers, a block like `zero`."""
    return (zero + value).to(tl.uint64, bitcast=True)


@triton.jit
def draw_kernel(
    out, parts, steps, count, size_1, size_2, TENSORS: tl.constexpr, NUM_HASHED: tl.constexpr, KIND: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Write draws to `out`, [N].

    Args:
        out: int64; float32 of kind "uniform", and [N, 2] of kind "normal".
        parts: integers and integer tensors: the state of the hash, the parts that it absorbs, and of kind "integer" the
            bound.
        steps: between entries of each part along the three dimensions of the draws, 0 where there is none.
        count: N.
        size_1: entries along the second dimension.
        size_2: entries along the third dimension.
        TENSORS: which parts are tensors.
        NUM_HASHED: parts that are absorbed.
        KIND: as `cuda.draw` has it.
        BLOCK: draws of a program.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    entry = tl.where(inside, place, 0).to(tl.int64)
    column, row = entry % size_2, entry // size_2 % size_1
    batch = entry // size_2 // size_1
    zero = tl.zeros_like(entry)
    state = _signless(0, zero)
    bound = zero
    for k in tl.static_range(len(parts)):
        if TENSORS[k]:
            value = zero + tl.load(
                parts[k] + batch * steps[3 * k] + row * steps[3 * k + 1] + column * steps[3 * k + 2]
            )
        else:
            value = zero + parts[k]
        if k == 0:
            state = _signless(value, zero)
        elif k <= NUM_HASHED:
            state = _mix((state + WEYL) ^ _signless(value, zero))
        else:
            bound = value
    if KIND == "state":
        tl.store(out + place, state.to(tl.int64, bitcast=True), mask=inside)
    elif KIND == "hash":
        tl.store(out + place, (state >> 32).to(tl.int64, bitcast=True), mask=inside)
    elif KIND == "integer":
        product = (state >> 32).to(tl.int64, bitcast=True) * bound
        tl.store(out + place, product >> 32, mask=inside)
    elif KIND == "uniform":
        tl.store(out + place, (state >> 40).to(tl.int32).to(tl.float32) * 5.9604644775390625e-8, mask=inside)
    else:
        upper = ((state >> 32) + 1).to(tl.int64, bitcast=True).to(tl.float64) * 2.3283064365386963e-10
        angle = (state & LOWER_HALF).to(tl.int64, bitcast=True).to(tl.float64) * TURN
        radius = tl.sqrt(-2.0 * tl.log(upper))
        tl.store(out + 2 * place, (radius * tl.cos(angle)).to(tl.float32), mask=inside)
        tl.store(out + 2 * place + 1, (radius * tl.sin(angle)).to(tl.float32), mask=inside)


@triton.jit
def stream_kernel(
    out, keys, counter, key_step, counter_step, count, width, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write uniform numbers [N, width] float32 of streams at their counters, [N] each."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    place = tl.where(inside, place, 0).to(tl.int64)
    stream, column = place // width, place % width
    zero = tl.zeros_like(place)
    key = _signless(tl.load(keys + stream * key_step), zero)
    number = _signless(tl.load(counter + stream * counter_step), zero)
    state = key + number * COUNTER_STEP + _signless(column + 1, zero) * WEYL
    bits = (_mix(state) >> 41).to(tl.int32).to(tl.float32)
    tl.store(out + place, (bits + 0.5) * 1.1920928955078125e-7, mask=inside)
