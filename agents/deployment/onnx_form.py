"""What ONNX has no operation for, in those that it has: choices among complex numbers, and whole orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def where(condition: Tensor, chosen: Tensor, other: Tensor) -> Tensor:
    """Choose among complex numbers as among pairs of real ones, and among flags by logic."""
    dtype = torch.promote_types(chosen.dtype, other.dtype)
    if dtype == torch.bool:
        return (condition & chosen) | (~condition & other)
    if not dtype.is_complex:
        return NotImplemented
    chosen, other = (torch.view_as_real(value.to(dtype)) for value in (chosen, other))
    return torch.view_as_complex(torch.where(condition.unsqueeze(-1), chosen, other))


def sort(
    x: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    """Sort by TopK, which keeps the order of equal numbers as a stable sort does."""
    return torch.topk(x, x.shape[dim], dim, largest=descending, sorted=True)


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.where.self: where,
    torch.ops.aten.sort.stable: sort,
}
