"""Gradients through all that a memory stores, for a while, also where learning stops them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class StopsGradient(Protocol):
    """A module that stops gradients into what it stores while `stop_gradient` is true."""

    stop_gradient: bool


@contextmanager
def full_gradients(module: nn.Module) -> Iterator[None]:
    """Within the block no part of a module stops gradients; values are the same, and so is the module afterwards."""
    stopping = [part for part in module.modules() if isinstance(part, StopsGradient) and part.stop_gradient]
    for part in stopping:
        part.stop_gradient = False
    try:
        yield
    finally:
        for part in stopping:
            part.stop_gradient = True
