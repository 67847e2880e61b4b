"""Finding the first number that went bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from tensordict import TensorDictBase
from torch import Tensor


def raise_first_nonfinite(tensors: Mapping[str, Any]) -> None:
    """Search nested mappings of tensors, in order, for NaN and infinity.

    Args:
        tensors: nested mappings or TensorDicts; only floating-point tensors are checked.

    Raises:
        FloatingPointError: names the first tensor with a number that is not finite.
    """
    for name, tensor in _walk(tensors):
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise FloatingPointError(
                f"Every number in training must be finite, but {name} holds NaN or infinity; the run stops and its "
                "last checkpoint is intact. Try a lower learning rate, or check the environment's observations."
            )


def _walk(tensors: Mapping[str, Any] | TensorDictBase, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in tensors.items():
        if isinstance(value, Mapping | TensorDictBase):
            yield from _walk(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value
