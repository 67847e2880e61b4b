"""One sentence where Triton is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def triton_is_needed() -> Iterator[None]:
    """Mark the import of kernels for CUDA.

    Raises:
        RuntimeError: Triton is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "Memory Maze on CUDA needs Triton, which torch's CUDA builds bring on Linux, and it is not "
            "installed; install triton or use device=cpu."
        ) from error
