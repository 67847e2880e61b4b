"""Dense layers: torch's own product, and on a CPU oneDNN's wherever it is known to be the faster one.

Which one computes is a function of the processor and the shape alone, so that a run, its continuation and its workers
agree to the bit on one machine.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn import functional

from engram.common.processor import Processor, this_processor
from engram.common.row_gradients import row_gradients
from engram.common.second_order import needs_graph
from engram.common.tracing import is_transformed

NEVER = 2**63


class Thresholds(NamedTuple):
    """From how many multiplications on oneDNN is the faster one.

    Attributes:
        rows: Of rows with a matrix: the layer, and the gradient to its input.
        weights: Of the gradient to the matrix, a product over all rows.
    """

    rows: int = NEVER
    weights: int = NEVER


def thresholds(processor: Processor) -> Thresholds:
    """Return those of a processor.

    MKL, which torch's product is on x86, takes vectors of 512 bits on Intel's processors alone. Zen 5 has twice the
    units for them, Zen 4 the same as for 256 bits, so that only better blocking is left (`python -m engram.benchmarks
    dense` measures it). oneDNN's call costs some ten microseconds more.
    """
    if processor.vendor != "AuthenticAMD" or not processor.has_avx512:
        return Thresholds()
    return Thresholds(2**21, 2**21) if processor.family >= 26 else Thresholds(rows=2**26)


LIMITS = thresholds(this_processor())


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute x Wᵀ + b; compilers and transforms of torch.func see torch's own operation.

    Args:
        x: [*, in_features].
        weight: W, [out_features, in_features].
        bias: b, [out_features]. Default: None.

    Returns:
        [*, out_features].
    """
    if row_gradients(weight) is None and (
        is_compiling()
        or x.dim() < 2
        or x.numel() * weight.shape[0] < min(LIMITS)
        or not _may_use_onednn(x, weight, bias)
    ):
        return functional.linear(x, weight, bias)
    y: Tensor = _Dense.apply(x, weight, bias)
    return y


def linear_blocks(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute x W + b of several blocks side by side.

    Args:
        x: [G, n, in_features].
        weight: W, [G, in_features, out_features].
        bias: b, [G, 1, out_features]. Default: None.

    Returns:
        [G, n, out_features].
    """
    if row_gradients(weight) is None:
        return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias, x, weight)
    y: Tensor = _Blocks.apply(x, weight, bias)
    return y


class Linear(nn.Linear):
    """A linear layer, `torch.nn.Linear` but for what computes it."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [*, in_features] to [*, out_features]."""
        return linear(input, self.weight, self.bias)


def multiply(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    out: Tensor | None = None,
    limit: int | None = None,
) -> Tensor:
    """Compute what `linear` does within functions whose reverse is written by hand: without a graph.

    Args:
        rows: [n, in_features].
        weight: [out_features, in_features].
        bias: [out_features]. Default: None.
        out: Where the result goes, [n, out_features]. Default: None, a new tensor.
        limit: Multiplications from which on it is oneDNN's. Default: None, that of the products which gain least, since
            loops that work in place lose by what is laid out anew (GRU's update by 6 % on Zen 4).

    Returns:
        [n, out_features].
    """
    limit = max(LIMITS) if limit is None else limit
    if rows.numel() * weight.shape[0] >= limit and _may_use_onednn(rows, weight, bias):
        y = _product(rows, weight, bias)
        return y if out is None else out.copy_(y)
    if bias is None:
        return torch.mm(rows, weight.mT, out=out)
    return torch.addmm(bias, rows, weight.mT, out=out)


def multiply_transposed(grad: Tensor, rows: Tensor) -> Tensor:
    """Compute gradᵀ rows, the gradient to a matrix, without a graph.

    Args:
        grad: [n, out_features].
        rows: [n, in_features].

    Returns:
        [out_features, in_features].
    """
    if rows.numel() * grad.shape[1] >= LIMITS.weights and _may_use_onednn(grad, rows, None):
        return _product(grad.mT, rows.mT, None)
    return grad.mT @ rows


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.gathered = row_gradients(weight), row_gradients(bias)
        return multiply(x.flatten(0, -2), weight, bias, limit=LIMITS.rows).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        rows, given = x.flatten(0, -2), grad.flatten(0, -2)
        if needs_graph(grad):
            of_x = grad @ weight if needs_x else None
            of_weight = given.mT @ rows if needs_weight else None
            return of_x, of_weight, given.sum(0) if needs_bias else None
        of_x = multiply(given, weight.mT, limit=LIMITS.rows).view_as(x) if needs_x else None
        of_weight, of_bias = ctx.gathered
        if needs_weight:
            of_weight = of_weight.add(given, rows) if of_weight else multiply_transposed(given, rows)
        if needs_bias:
            of_bias = of_bias.add(given) if of_bias else given.sum(0)
        return of_x, of_weight, of_bias


class _Blocks(torch.autograd.Function):
    """`linear_blocks` for rows whose gradients are gathered."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.gathered = row_gradients(weight), row_gradients(bias)
        return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias, x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        of_x = grad @ weight.mT if needs_x else None
        if needs_graph(grad):
            of_weight = x.mT @ grad if needs_weight else None
            return of_x, of_weight, grad.sum(-2, keepdim=True) if needs_bias else None
        of_weight, of_bias = ctx.gathered
        if needs_weight:
            of_weight = of_weight.add(x, grad)
        if needs_bias:
            of_bias = of_bias.add(grad) if of_bias else grad.sum(-2, keepdim=True)
        return of_x, of_weight, of_bias


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return y


def _may_use_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    if torch.is_autocast_enabled("cpu") or is_transformed():
        return False
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return False
    parts = (x, weight) if bias is None else (x, weight, bias)
    return all(part.dtype == torch.float32 and part.device.type == "cpu" for part in parts)
