"""Whether plain references must run in place of hand-written functions."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def is_traced() -> bool:
    """Tell whether torch.compile or a transform of torch.func (vmap, grad, …) is looking at the caller.

    The hand-written functions of an engine may be opaque to both, so that the plain reference runs instead.
    """
    return torch.compiler.is_compiling() or is_transformed()


@torch.compiler.assume_constant_result
def is_transformed() -> bool:
    """Tell whether a transform of torch.func (vmap, grad, …) or forward-mode differentiation is looking at the caller.

    While compiling too: torch.compile enters the transforms it comes upon, and guards those it runs within.
    """
    level: Any = forward_ad._current_level
    return level >= 0 or torch._C._functorch.peek_interpreter_stack() is not None


def is_batched(grads: tuple[Tensor | None, ...]) -> bool:
    """Tell whether gradients are many at once, as `torch.autograd.grad(is_grads_batched=True)` passes them."""
    is_legacy = (
        torch._C._functorch.is_legacy_batchedtensor
    )  # has a mechanism of its own, which shows on tensors alone
    return is_transformed() or any(grad is not None and is_legacy(grad) for grad in grads)
