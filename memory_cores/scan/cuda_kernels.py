"""The loops of the linear scan on a CUDA device.

One program runs all rows of some columns of one environment, so that nothing is exchanged between programs
and every sum has one order. It keeps the memory busy by asking for the rows of the next group before it
works on those of this one. A row is [BLOCK], of complex numbers [BLOCK, 2]: only products tell them apart.
Rows before or after the sequence are zero, and selected out of every sum.
"""

# mypy: disable-error-code="no-untyped-def, assignment"
# ruff: noqa: RUF005 (Triton knows the sum of tuples, and not their unpacking)

import triton
import triton.language as tl


@triton.jit
def _multiply(x, y, PAIRS: tl.constexpr):
    """Return x y."""
    if PAIRS:
        a, b = tl.split(x)
        c, d = tl.split(y)
        product = tl.join(a * c - b * d, a * d + b * c)
    else:
        product = x * y
    return product


@triton.jit
def _multiply_conj(x, y, PAIRS: tl.constexpr):
    """Return conj(x) y."""
    if PAIRS:
        a, b = tl.split(x)
        c, d = tl.split(y)
        product = tl.join(a * c + b * d, a * d - b * c)
    else:
        product = x * y
    return product


@triton.jit
def _place(width, PAIRS: tl.constexpr, BLOCK: tl.constexpr):
    """Return the program's environment, its entries within a row, and which of them exist."""
    blocks = tl.cdiv(width, BLOCK)
    environment = (tl.program_id(0) // blocks).to(tl.int64)
    numbers = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    if PAIRS:
        columns = 2 * numbers[:, None] + tl.arange(0, 2)[None, :]
        inside = tl.broadcast_to((numbers < width)[:, None], (BLOCK, 2))
    else:
        columns = numbers
        inside = numbers < width
    return environment, columns, inside


@triton.jit
def _exists(t, inside, length):
    """Tell which entries of row t are some of the sequence."""
    # Comparing blocks and not scalars, which Triton's interpreter compares into integers.
    row = tl.where(inside, t, -1)
    return (row >= 0) & (row < length)


@triton.jit
def _group(pointer, columns, inside, begin, length, stride, ROWS: tl.constexpr):
    """Ask for rows begin, begin + 1, …."""
    begin += 0 * length  # a tensor, though the caller may give a constant
    rows = ()
    for k in tl.static_range(ROWS):
        valid = _exists(begin + k, inside, length)
        rows = rows + (tl.load(pointer + (begin + k) * stride + columns, mask=valid, other=0.0),)
    return rows


@triton.jit
def _flags(pointer, begin, length, ROWS: tl.constexpr):
    """Ask for the flags of rows begin, begin + 1, …, the bits of one number to spare registers."""
    begin += 0 * length
    k = tl.arange(0, ROWS)
    flags = tl.load(pointer + begin + k, mask=(begin + k >= 0) & (begin + k < length), other=0)
    return tl.sum(flags.to(tl.int32) << k, axis=0)


@triton.jit(do_not_specialize=["length", "width"])
def forward_kernel(
    a,
    b,
    is_first,
    carry,
    initial,
    states,
    length,
    width,
    LEARNED: tl.constexpr,
    VARYING: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Write all states, [B, T, D]."""
    i, columns, inside = _place(width, PAIRS, BLOCK)
    stride = width.to(tl.int64) * (2 if PAIRS else 1)
    b += i * length * stride
    states += i * length * stride
    is_first += i * length
    state = tl.load(carry + i * stride + columns, mask=inside, other=0.0)
    start = tl.zeros_like(state)
    if LEARNED:
        start = tl.load(initial + columns, mask=inside, other=0.0)
    next_b = _group(b, columns, inside, 0, length, stride, ROWS)
    next_first = _flags(is_first, 0, length, ROWS)
    if VARYING:
        a += i * length * stride
        next_a = _group(a, columns, inside, 0, length, stride, ROWS)
    else:
        a_t = tl.load(a + columns, mask=inside, other=0.0)
    for begin in range(0, length, ROWS):
        rows_b = next_b
        first = next_first
        next_b = _group(b, columns, inside, begin + ROWS, length, stride, ROWS)
        next_first = _flags(is_first, begin + ROWS, length, ROWS)
        if VARYING:
            rows_a = next_a
            next_a = _group(a, columns, inside, begin + ROWS, length, stride, ROWS)
        for k in tl.static_range(ROWS):
            if VARYING:
                a_t = rows_a[k]
            before = tl.where((first >> k) & 1 != 0, start, state)
            state = _multiply(a_t, before, PAIRS) + rows_b[k]
            tl.store(states + (begin + k) * stride + columns, state, mask=_exists(begin + k, inside, length))


@triton.jit(do_not_specialize=["length", "width"])
def backward_kernel(
    a,
    is_first,
    carry,
    initial,
    states,
    grad,
    grad_a,
    grad_b,
    grad_carry,
    grad_initial,
    length,
    width,
    NEEDS_A: tl.constexpr,
    LEARNED: tl.constexpr,
    VARYING: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Write the gradients: to a constant transition and to the initial state one for each environment."""
    i, columns, inside = _place(width, PAIRS, BLOCK)
    stride = width.to(tl.int64) * (2 if PAIRS else 1)
    grad += i * length * stride
    grad_b += i * length * stride
    states += i * length * stride
    is_first += i * length
    last = (length - 1) // ROWS * ROWS
    next_grad = _group(grad, columns, inside, last, length, stride, ROWS)
    next_first = _flags(is_first, last, length, ROWS)
    if NEEDS_A:
        next_before = _group(states, columns, inside, last - 1, length, stride, ROWS)
    if VARYING:
        a += i * length * stride
        grad_a += i * length * stride
        next_a = _group(a, columns, inside, last, length, stride, ROWS)
    else:
        a_t = tl.load(a + columns, mask=inside, other=0.0)
    carried = tl.load(carry + i * stride + columns, mask=inside, other=0.0)
    zero = tl.zeros_like(carried)
    start = zero
    if LEARNED:
        start = tl.load(initial + columns, mask=inside, other=0.0)
    through = zero  # the gradient to the state before the row in hand
    total = zero
    of_initial = zero
    for done in range(0, length, ROWS):
        begin = last - done
        rows_grad = next_grad
        first = next_first
        next_grad = _group(grad, columns, inside, begin - ROWS, length, stride, ROWS)
        next_first = _flags(is_first, begin - ROWS, length, ROWS)
        if NEEDS_A:
            rows_before = next_before
            next_before = _group(states, columns, inside, begin - ROWS - 1, length, stride, ROWS)
        if VARYING:
            rows_a = next_a
            next_a = _group(a, columns, inside, begin - ROWS, length, stride, ROWS)
        for k in tl.static_range(ROWS - 1, -1, -1):
            valid = _exists(begin + k, inside, length)
            is_start = (first >> k) & 1 != 0
            if VARYING:
                a_t = rows_a[k]
            g = rows_grad[k] + through
            tl.store(grad_b + (begin + k) * stride + columns, g, mask=valid)
            if NEEDS_A:
                before = tl.where(begin + k == 0, carried, rows_before[k])
                product = _multiply_conj(tl.where(is_start, start, before), g, PAIRS)
                if VARYING:
                    tl.store(grad_a + (begin + k) * stride + columns, product, mask=valid)
                else:
                    total += tl.where(valid, product, 0.0)
            through = tl.where(valid, _multiply_conj(a_t, g, PAIRS), 0.0)
            if LEARNED:
                of_initial += tl.where(is_start, through, 0.0)
            through = tl.where(is_start, 0.0, through)
    tl.store(grad_carry + i * stride + columns, through, mask=inside)
    if LEARNED:
        tl.store(grad_initial + i * stride + columns, of_initial, mask=inside)
    if NEEDS_A and not VARYING:
        tl.store(grad_a + i * stride + columns, total, mask=inside)
