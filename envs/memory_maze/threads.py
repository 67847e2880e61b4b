"""Compiled loops over a batch, a share of it on each thread: they hold no lock while they run."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def in_shares(loop: Callable[[int, int], object], batch: int, least: int) -> None:
    """Call a loop for parts of a batch on at most `torch.get_num_threads()` threads; returns when all are done.

    Args:
        loop: takes the first index and the one after the last.
        batch: how many indices there are.
        least: a thread is not used for fewer.
    """
    threads = max(1, min(torch.get_num_threads(), batch // least))
    bounds = [batch * k // threads for k in range(threads + 1)]
    others = [_workers().submit(loop, *pair) for pair in itertools.pairwise(bounds[1:])]
    loop(0, bounds[1])
    for other in others:
        other.result()


@functools.cache
def _workers() -> ThreadPoolExecutor:
    """Return the threads, started when they are first needed."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="memory-maze")


# Threads do not follow into a forked process, which must start its own.
os.register_at_fork(after_in_child=_workers.cache_clear)
