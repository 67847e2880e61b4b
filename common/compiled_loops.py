"""How loops are compiled by numba: when they are first called, and once per machine where that can be stored."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile lazily, once per machine where the result can be stored, else once per process.

    Args:
        function: a loop over arrays.
        **options: further ones of `numba.njit`.
    """
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        return numba.njit(function, cache=True, **options)
    except RuntimeError:  # neither the source's folder nor the user's cache can be written to
        return numba.njit(function, **options)


def contracted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a product and a sum into one instruction where that can be: all of fast-math that leaves NaN alone."""
    return compiled(function, fastmath={"contract"})


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile as a part of what calls it: half the time where calls would pass many arrays."""
    return numba.njit(function, forceinline=True, error_model="numpy")
