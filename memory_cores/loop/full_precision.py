"""The library's kernels with the rounding of matrix products, forwards and in reverse."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor

from engram.common.second_order import needs_graph, reference_gradients


@contextmanager
def full_precision() -> Iterator[None]:
    """Let cuDNN round as matrix products do, so that whole sequences equal steps.

    By default it takes TF32 where matrix products take float32, and a policy recomputed from whole
    sequences would differ from the one that acted in the third digit.
    """
    library: Any = torch.backends.cudnn.rnn
    products: Any = torch.backends.cuda.matmul
    before = library.fp32_precision
    library.fp32_precision = "tf32" if products.fp32_precision == "tf32" else "ieee"
    try:
        with catch_warnings():
            # cuDNN copies the weights into one block, which takes microseconds and is not worth a warning.
            filterwarnings("ignore", message="RNN module weights are not part of single contiguous")
            yield
    finally:
        library.fp32_precision = before


class FullPrecision(torch.autograd.Function):
    """A function of the library whose reverse too runs in `full_precision`.

    cuDNN reads the setting anew in its reverse and may then expect the forward's notes in another form, so
    it must be the same both times. Hence a graph of the function's own, which the reverse walks. Gradients of
    gradients, which cuDNN has none of, are those of the plain reference.
    """

    @staticmethod
    def forward(
        ctx: Any,
        run: Callable[..., tuple[Tensor, ...]],
        reference: Callable[..., tuple[Tensor, ...]],
        host_is_first: Tensor,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return what `run` gives; `reference` takes the flags on the inputs' device first, then the same inputs."""
        needed = ctx.needs_input_grad[3:]
        ctx.reference = reference
        ctx.save_for_backward(host_is_first, *inputs)
        with torch.enable_grad(), full_precision():
            ctx.inputs = [
                tensor.detach().requires_grad_(need) for tensor, need in zip(inputs, needed, strict=True)
            ]
            ctx.outputs = run(*ctx.inputs)
        return tuple(output.detach() for output in ctx.outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Run the library's reverse."""
        if needs_graph(*grads):
            host_is_first, *inputs = ctx.saved_tensors
            reference = partial(ctx.reference, host_is_first.to(grads[0].device))
            return None, None, None, *reference_gradients(reference, inputs, ctx.needs_input_grad[3:], grads)
        wanted = [tensor for tensor in ctx.inputs if tensor.requires_grad]
        with full_precision():
            found = iter(torch.autograd.grad(ctx.outputs, wanted, grads, retain_graph=True))
        return None, None, None, *(next(found) if tensor.requires_grad else None for tensor in ctx.inputs)
