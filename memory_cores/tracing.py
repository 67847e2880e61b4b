"""Whether plain references must run in place of hand-written functions."""

import torch


def is_traced() -> bool:
    """Tell whether torch.compile or a transform of torch.func (vmap, grad, …) is looking at the caller.

    The hand-written functions of an engine may be opaque to both, so that the plain reference runs instead.
    """
    return torch.compiler.is_compiling() or is_transformed()


@torch.compiler.assume_constant_result
def is_transformed() -> bool:
    """Tell whether a transform of torch.func (vmap, grad, …) is looking at the caller.

    While compiling too: torch.compile enters the transforms it comes upon, and guards those it runs within.
    """
    return torch._C._functorch.peek_interpreter_stack() is not None
