"""The kernels of PPO's loss: some rows for each program, then one program that adds up what these found."""

# mypy: disable-error-code="no-untyped-def, assignment"

import triton
import triton.language as tl


@triton.jit
def moments_kernel(advantage, mask, moments, rows, BLOCK: tl.constexpr):
    """Write count, sum and centred sum of squares of each program's valid advantages, [3, programs]."""
    program, programs = tl.program_id(0), tl.num_programs(0)
    place = program.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    valid = tl.load(mask + place, mask=place < rows, other=0) != 0
    x = tl.where(valid, tl.load(advantage + place, mask=place < rows, other=0.0), 0.0)
    count, total = tl.sum(valid.to(tl.float32)), tl.sum(x)
    centred = tl.where(valid, x - total / tl.maximum(count, 1.0), 0.0)
    tl.store(moments + program, count)
    tl.store(moments + programs + program, total)
    tl.store(moments + 2 * programs + program, tl.sum(centred * centred))


@triton.jit
def _join(moments, programs, PROGRAMS: tl.constexpr):
    """Return count (1 at least), mean and standard deviation of all advantages (Chan et al. 1983)."""
    part = tl.arange(0, PROGRAMS)
    inside = part < programs
    counts = tl.load(moments + part, mask=inside, other=0.0)
    totals = tl.load(moments + programs + part, mask=inside, other=0.0)
    squares = tl.load(moments + 2 * programs + part, mask=inside, other=0.0)
    count = tl.maximum(tl.sum(counts), 1.0)
    mean = tl.sum(totals) / count
    apart = totals / tl.maximum(counts, 1.0) - mean
    return count, mean, tl.sqrt(tl.sum(squares + counts * apart * apart) / count)


@triton.jit
def rows_kernel(
    log_prob, entropy, value, old_log_prob, old_value, target, advantage, mask, moments, partial, grads,
    clip_range, value_clip_range, value_coef, entropy_coef, rows, programs,
    NORMALIZES: tl.constexpr, CLIPS_VALUE: tl.constexpr, BLOCK: tl.constexpr, PROGRAMS: tl.constexpr,
):  # fmt: skip
    """Write each program's share of the terms, [6, programs], and the loss's gradients of rows, [3, rows]."""
    program = tl.program_id(0)
    place = program.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < rows
    valid = tl.load(mask + place, mask=inside, other=0) != 0
    count, mean, deviation = _join(moments, programs, PROGRAMS)
    gain = tl.load(advantage + place, mask=inside, other=0.0)
    if NORMALIZES:
        gain = (gain - mean) / (deviation + 1e-8)

    difference = tl.load(log_prob + place, mask=inside, other=0.0)
    difference -= tl.load(old_log_prob + place, mask=inside, other=0.0)
    ratio = tl.exp(difference)
    bound = tl.minimum(tl.maximum(ratio, 1.0 - clip_range), 1.0 + clip_range) * gain
    is_free = ratio * gain <= bound
    policy = -tl.where(is_free, ratio * gain, bound)
    to_log_prob = -tl.where(is_free, ratio * gain, 0.0)

    v = tl.load(value + place, mask=inside, other=0.0)
    aim = tl.load(target + place, mask=inside, other=0.0)
    error = (v - aim) * (v - aim)
    to_value = v - aim
    if CLIPS_VALUE:
        old = tl.load(old_value + place, mask=inside, other=0.0)
        moved = v - old
        clipped = old + tl.minimum(tl.maximum(moved, -value_clip_range), value_clip_range) - aim
        other = clipped * clipped
        to_clipped = tl.where(tl.abs(moved) <= value_clip_range, clipped, 0.0)
        # As torch's maximum has it: where both are equal, each takes half.
        share = tl.where(error > other, 1.0, tl.where(error < other, 0.0, 0.5))
        to_value = share * to_value + (1.0 - share) * to_clipped
        error = tl.maximum(error, other)

    h = tl.load(entropy + place, mask=inside, other=0.0)
    exceeds = (tl.abs(ratio - 1.0) > clip_range).to(tl.float32)
    partial += program
    tl.store(partial, tl.sum(tl.where(valid, policy, 0.0)) / count)
    tl.store(partial + programs, tl.sum(tl.where(valid, 0.5 * error, 0.0)) / count)
    tl.store(partial + 2 * programs, tl.sum(tl.where(valid, h, 0.0)) / count)
    tl.store(partial + 3 * programs, tl.sum(tl.where(valid, ratio - 1.0 - difference, 0.0)) / count)
    tl.store(partial + 4 * programs, tl.sum(tl.where(valid, exceeds, 0.0)) / count)
    tl.store(partial + 5 * programs, tl.max(tl.where(valid, tl.abs(difference), 0.0)))
    tl.store(grads + place, tl.where(valid, to_log_prob / count, 0.0), mask=inside)
    tl.store(grads + rows + place, tl.where(valid, -entropy_coef / count, 0.0), mask=inside)
    tl.store(grads + 2 * rows + place, tl.where(valid, value_coef * to_value / count, 0.0), mask=inside)


@triton.jit
def total_kernel(partial, results, value_coef, entropy_coef, programs, PROGRAMS: tl.constexpr):
    """Write the loss and its six terms, [7]; the last term is a maximum, the others are sums."""
    part = tl.arange(0, PROGRAMS)
    inside = part < programs
    policy = tl.sum(tl.load(partial + part, mask=inside, other=0.0))
    value = tl.sum(tl.load(partial + programs + part, mask=inside, other=0.0))
    entropy = tl.sum(tl.load(partial + 2 * programs + part, mask=inside, other=0.0))
    tl.store(results, policy + value_coef * value - entropy_coef * entropy)
    tl.store(results + 1, policy)
    tl.store(results + 2, value)
    tl.store(results + 3, entropy)
    tl.store(results + 4, tl.sum(tl.load(partial + 3 * programs + part, mask=inside, other=0.0)))
    tl.store(results + 5, tl.sum(tl.load(partial + 4 * programs + part, mask=inside, other=0.0)))
    tl.store(results + 6, tl.max(tl.load(partial + 5 * programs + part, mask=inside, other=0.0)))
