"""Torch after a fork: the threads of libgomp do not follow into the child, which would wait for them for ever."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

import torch

_MAPS = Path("/proc/self/maps")
_PAUSE_SOFT = 1  # omp_pause_soft of OpenMP 5.0


def loaded_libgomps() -> list[str]:
    """Return the paths of the libgomp libraries in this process; other OpenMP libraries follow a fork themselves."""
    if not _MAPS.exists():
        return []
    paths = {line.split(maxsplit=5)[-1] for line in _MAPS.read_text().splitlines() if "libgomp" in line}
    return sorted(paths)


def make_forks_safe(libgomps: list[str]) -> None:
    """Let this process fork although torch has used several threads, and torch compute in the child.

    Before a fork libgomp ends the forking thread's pool, and parent and child start one when they next need it.
    A libgomp older than GCC 9 cannot, so there the child's torch uses one thread.

    Args:
        libgomps: as from `loaded_libgomps`, after torch has been imported.
    """
    for path in libgomps:
        pause = getattr(ctypes.CDLL(path), "omp_pause_resource_all", None)
        if pause is None:
            os.register_at_fork(after_in_child=_use_one_thread)
        else:
            os.register_at_fork(before=functools.partial(pause, _PAUSE_SOFT))


def _use_one_thread() -> None:
    torch.set_num_threads(1)
