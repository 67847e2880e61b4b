"""How precisely an agent computes: one option, in force while it acts and learns and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch

PrecisionName = Literal["float32", "tf32", "bfloat16", "auto"]


class Precision:
    """The precision of an agent's products on its device; parameters, states, returns and losses are float32 in any.

    Args:
        name: `float32`; `tf32`, which rounds the factors of float32 products to 10 bits on CUDA devices since Ampere,
            and is float32 elsewhere; `bfloat16` for mixed precision, whose remaining products are as with `tf32`; or
            `auto`, which is `tf32` where the device has it.
        device: of the agent's parameters.

    Attributes:
        is_mixed: whether some products are of half precision.
    """

    def __init__(self, name: PrecisionName, device: torch.device) -> None:
        self._device = device
        self.is_mixed = name == "bfloat16"
        self._rounding = "ieee" if name == "float32" else "tf32"  # older devices ignore it

    def products(self) -> AbstractContextManager[None]:
        """Within the block products of float32 are rounded as the option says, in reverse passes too.

        The setting is the process's, so that what other threads compute meanwhile is rounded likewise; in the end it
        is as it was before.
        """
        return _rounded(self._rounding) if self._device.type == "cuda" else nullcontext()

    def autocast(self) -> AbstractContextManager[None]:
        """Make a context for the networks' forward passes, in which `bfloat16` is mixed in.

        One of its own for every part: casts that were cached without gradients must not be met with them.
        """
        return torch.autocast(self._device.type, torch.bfloat16) if self.is_mixed else nullcontext()


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """Within the block nothing is computed in half precision on a device unless it comes in it."""
    # Entering the library's context for nothing takes a tenth of the time of a small layer.
    is_mixed = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if is_mixed else nullcontext()


@contextmanager
def _rounded(rounding: str) -> Iterator[None]:
    # Recurrent layers of the library round as matrix products do, see `loop.full_precision`.
    backends: Any = torch.backends
    kinds = [backends.cuda.matmul, backends.cudnn.conv]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = rounding
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision
