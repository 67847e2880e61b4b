"""Gradients of gradients for functions whose reverse is written by hand: the plain reference is differentiated.

A reverse that computes on saved tensors without a graph is a constant to whoever differentiates it. torch's
`once_differentiable` does not help: it raises only where the incoming gradient itself has a graph, and a Hessian of
the output's sum is silently zero.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engram.common.tracing import is_batched


def needs_graph(*grads: Tensor | None) -> bool:
    """Tell, within a reverse, whether it must consist of differentiable operations on these gradients.

    So it is with `create_graph=True`, and where many gradients come at once.
    """
    return torch.is_grad_enabled() or is_batched(grads)


def reference_gradients(
    reference: Callable[..., tuple[Tensor, ...]],
    inputs: Sequence[Tensor | None],
    needed: Sequence[bool],
    grads: Sequence[Tensor | None],
) -> tuple[Tensor | None, ...]:
    """Compute the gradients of a plain function so that they can be differentiated again.

    Args:
        reference: Maps the inputs to the outputs.
        inputs: As they were saved for the reverse, with the graph they have; None is passed on.
        needed: Which inputs a gradient is asked for.
        grads: Of the outputs; None is zero.

    Returns:
        A gradient for each input, None where it is not needed.
    """
    keep = torch.is_grad_enabled()
    with torch.enable_grad():
        # Views, so that an input which depends on another one is still a variable of its own.
        views = [
            value if value is None else value.view_as(value) if need else value.detach()
            for value, need in zip(inputs, needed, strict=True)
        ]
        pairs = zip(reference(*views), grads, strict=True)
        outputs, given = zip(*((out, grad) for out, grad in pairs if grad is not None), strict=True)
        wanted = [view for view, need in zip(views, needed, strict=True) if need and view is not None]
        found = iter(torch.autograd.grad(outputs, wanted, given, create_graph=keep, allow_unused=True))
    return tuple(next(found) if need else None for need in needed)
