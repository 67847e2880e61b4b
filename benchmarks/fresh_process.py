"""Peak memory of a call in a process of its own, where nothing that ran before counts."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_GIB = 2**30


@dataclass(frozen=True)
class Peak:
    """Bytes held by one call: resident on a CPU, allocated on a CUDA device.

    Attributes:
        before: when the call began: on a CPU Python, torch, parameters and the batch; on CUDA the tensors alone.
        peak: at most, until it had ended.
    """

    before: int
    peak: int


def peak_of(
    prepare: Callable[..., Callable[[], Any]],
    arguments: tuple[Any, ...],
    device: str,
    limit_gib: float | None,
) -> Peak | None:
    """Prepare and make one call in a fresh process; returns its peak, None if it needs more than the limit.

    Args:
        prepare: makes the call from `arguments`; must be importable by name, as the arguments must be picklable.
        arguments: of `prepare`.
        device: where the call's tensors live.
        limit_gib: most GiB the process may hold, on a CPU alone; it is ended when it holds more. None: no limit.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        limit = limit_gib if device == "cpu" else None
        try:
            return pool.submit(_measure, prepare, arguments, device, limit).result()
        except BrokenProcessPool:
            return None  # ended here, or killed because the machine itself had no more


def _measure(
    prepare: Callable[..., Callable[[], Any]],
    arguments: tuple[Any, ...],
    device: str,
    limit_gib: float | None,
) -> Peak | None:
    torch.set_num_threads(1)
    call = prepare(*arguments)
    if limit_gib is not None:
        threading.Thread(target=_end_above, args=(int(limit_gib * _GIB),), daemon=True).start()
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device) if on_cuda else _resident("VmRSS")
    try:
        call()
    except (MemoryError, torch.OutOfMemoryError):  # the latter is a CUDA device's
        return None
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        return None
    if on_cuda:
        torch.cuda.synchronize(device)
        return Peak(before, torch.cuda.max_memory_allocated(device))
    return Peak(before, _resident("VmHWM"))


def _end_above(limit: int) -> None:
    """End this process once it holds more than `limit` bytes.

    A limit set with the system would leave Python no memory for the very error that says so.
    """
    while _resident("VmRSS") <= limit:
        time.sleep(0.01)
    os._exit(1)


def _resident(key: str) -> int:
    """Resident bytes, now (`VmRSS`) or at most (`VmHWM`); where Linux is not there to say, at most in any case.

    `getrusage` would count, on Linux, what the process held that this one was forked from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith(f"{key}:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
