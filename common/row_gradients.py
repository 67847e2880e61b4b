"""Gradients of weights that every row of a loop reads: one product over all rows, not one of each and their sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm

from engram.common.second_order import needs_graph
from engram.common.tracing import is_traced

Result = TypeVar("Result")
LARGE = 2**17
"""Numbers of a parameter from which on it pays in host memory, where the products of rows are done by torch alone."""


class RowGradients:
    """What rows add to the gradient of one parameter, kept until all of them have come in a reverse."""

    def __init__(self) -> None:
        self._factors: defaultdict[int, list[tuple[Tensor, ...]]] = defaultdict(list)

    def add(self, *factors: Tensor) -> None:
        """Add what one row, or several, add.

        Args:
            *factors: Of a matrix two, [*, n, r] and [*, n, c], whose product leftᵀ right is the gradient; of a vector
                one, [*, n, c], whose sum over n is it.
        """
        self._factors[_reverse()].append(factors)

    def take(self, shape: torch.Size) -> Tensor | None:
        """Return the gradient of a parameter of a shape and forget it; None if no row has come."""
        factors = self._factors.pop(_reverse(), None)
        if factors is None:
            return None
        joined = [torch.cat(parts, dim=-2) for parts in zip(*factors, strict=True)]
        return joined[0].sum(-2).view(shape) if len(joined) == 1 else joined[0].mT @ joined[1]


def row_gradients(parameter: Tensor | None) -> RowGradients | None:
    """Return where rows put what they add to a parameter's gradient; None where autograd sums it up as ever."""
    return getattr(parameter, "row_gradients", None)


def gather_row_gradients(module: nn.Module, loop: Callable[[], Result]) -> Result:
    """Run a loop over rows so that a module's weights take one gradient from all of its rows.

    What knows of it (`engram.common.dense`, `RMSNorm`) leaves its factors; what else reads a weight has its gradients
    summed by autograd as ever, and so has a weight that is not `LARGE` in host memory. While nothing is learnt, traced
    or rounded by autocast, the loop runs as it is.

    Args:
        module: Whose parameters the loop reads.
        loop: Calls the module.

    Returns:
        What the loop returns.
    """
    device = next(module.parameters()).device.type
    if is_traced() or not torch.is_grad_enabled() or torch.is_autocast_enabled(device):
        return loop()
    gathered = {
        f"module.{name}": _gather(parameter)
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and (device != "cpu" or parameter.numel() >= LARGE)
    }
    result: Result = torch.func.functional_call(_Caller(module), gathered, (loop,))
    return result


class RMSNorm(nn.RMSNorm):
    """Torch's norm, whose scale's gradient is gathered as well."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        weight, gradients = self.weight, row_gradients(self.weight)
        if gradients is not None:
            weight = _Read.apply(weight, gradients)
        return rms_norm(x, self.normalized_shape, weight, self.eps)


class _Caller(nn.Module):
    """Calls a function while a module's parameters are replaced."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, function: Callable[[], Any]) -> Any:
        return function()


def _gather(parameter: Tensor) -> Tensor:
    """Return a view of a parameter that knows where rows put its gradient."""
    gradients = RowGradients()
    view: Any = _Gather.apply(parameter, gradients)
    view.row_gradients = gradients
    return view


class _Gather(torch.autograd.Function):
    """A view; its reverse runs after those of all that read it, so that every row has come."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, gradients: RowGradients) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.shape, ctx.gradients = parameter.shape, gradients
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, None]:
        found = ctx.gradients.take(ctx.shape)
        if grad is None or found is None:
            return found if grad is None else grad, None
        return grad + found, None


class _Read(torch.autograd.Function):
    """A vector as one row reads it."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor, gradients: RowGradients) -> Tensor:
        ctx.gradients = gradients
        return vector.view_as(vector)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None]:
        if needs_graph(grad):
            return grad, None
        return ctx.gradients.add(grad.unsqueeze(0)), None


def _reverse() -> int:
    """Which reverse is running: one graph may be gone through again."""
    return torch._C._current_graph_task_id()
