"""Selection between numbers and zero, which nothing that was not selected reaches past, NaN included."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from engram.common.tracing import is_traced


def zero_where(condition: Tensor, x: Tensor) -> Tensor:
    """Select 0 where a condition holds and `x` elsewhere: `torch.where(condition, 0, x)` in one kernel on a device.

    There the library first makes a tensor of the number, by a kernel of its own, and again in the reverse.

    Args:
        condition: bool, broadcasts with `x`.
        x: numbers.

    Returns:
        Of the broadcast shape and the dtype of `x`.
    """
    return _select(condition, x, False)


def zero_unless(condition: Tensor, x: Tensor) -> Tensor:
    """Select `x` where a condition holds and 0 elsewhere; see `zero_where`."""
    return _select(condition, x, True)


def _select(condition: Tensor, x: Tensor, keeps: bool) -> Tensor:
    if x.device.type == "cpu" or is_traced():
        zero: Any = 0.0 if x.is_floating_point() or x.is_complex() else False if x.dtype == torch.bool else 0
        return torch.where(condition, x, zero) if keeps else torch.where(condition, zero, x)
    return _ZeroWhere.apply(condition, x, keeps)


@functools.cache
def _zero(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Make the constant once: its kernel is what is to be spared."""
    with torch.inference_mode(False):
        return torch.zeros((), dtype=dtype, device=device)


class _ZeroWhere(torch.autograd.Function):
    """Selects; its reverse selects again, and can be differentiated."""

    @staticmethod
    def forward(ctx: Any, condition: Tensor, x: Tensor, keeps: bool) -> Tensor:
        ctx.save_for_backward(condition)
        ctx.shape, ctx.keeps = x.shape, keeps
        zero = _zero(x.dtype, x.device)
        return torch.where(condition, x, zero) if keeps else torch.where(condition, zero, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        (condition,) = ctx.saved_tensors
        return None, _select(condition, grad, ctx.keeps).sum_to_size(ctx.shape), None
