"""The kernels of categorical latents: some categoricals for each program, their classes side by side."""

# mypy: disable-error-code="no-untyped-def, assignment"

import triton
import triton.language as tl


@triton.jit
def _place(count, classes, ROWS: tl.constexpr, CLASSES: tl.constexpr):
    """Return the program's categoricals, its entries, and which of these exist."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, CLASSES)
    inside = (row < count)[:, None] & (column < classes)[None, :]
    return row, column, row[:, None] * classes + column[None, :], inside


@triton.jit
def unimix_kernel(
    logits, uniform, log_probs, one_hot, ratio, count, classes, ROWS: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """Write log-probabilities [N, K] float32 of logits, and one-hot vectors of the classes that numbers [N] draw."""
    row, column, place, inside = _place(count, classes, ROWS, CLASSES)
    x = tl.load(logits + place, mask=inside, other=-float("inf")).to(tl.float32)
    largest = tl.max(x, axis=1)
    weight = tl.where(inside, tl.exp(x - tl.where(largest > -float("inf"), largest, 0.0)[:, None]), 0.0)
    total = tl.sum(weight, axis=1)
    probs = weight / tl.where(total > 0.0, total, 1.0)[:, None]
    mixed = probs * (1.0 - ratio) + ratio / classes
    tl.store(log_probs + place, tl.log(mixed), mask=inside)
    if uniform is not None:
        number = tl.load(uniform + row, mask=row < count, other=0.0)
        below = (tl.cumsum(tl.where(inside, mixed, 0.0), axis=1) < number[:, None]) & inside
        index = tl.minimum(tl.sum(below.to(tl.int32), axis=1), classes - 1)
        tl.store(one_hot + place, (column[None, :] == index[:, None]).to(tl.float32), mask=inside)


@triton.jit
def unimix_backward_kernel(
    log_probs, grad, to_one_hot, to_logits, ratio, count, classes, ROWS: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the logits [N, K]: (1 − ratio) p (g − Σ p g), where q is p mixed and g is what comes to q.

    To q = exp(log q) comes what comes to log q, over q, and what comes to the one-hot vectors, which stand for q.
    """
    _, _, place, inside = _place(count, classes, ROWS, CLASSES)
    mixed = tl.exp(tl.load(log_probs + place, mask=inside, other=0.0))
    g = tl.zeros_like(mixed)
    if grad is not None:
        g += tl.load(grad + place, mask=inside, other=0.0).to(tl.float32) / mixed
    if to_one_hot is not None:
        g += tl.load(to_one_hot + place, mask=inside, other=0.0).to(tl.float32)
    probs = tl.where(inside, (mixed - ratio / classes) / (1.0 - ratio), 0.0)
    mean = tl.sum(probs * g, axis=1)
    tl.store(to_logits + place, (1.0 - ratio) * probs * (g - mean[:, None]), mask=inside)
