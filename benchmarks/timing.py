"""How benchmarks take time and memory: on any device, in turn, against the speed of copying.

All that is compared is measured in turn in one process, so that a machine whose speed drifts slows all alike.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch

K = TypeVar("K")
T = TypeVar("T")


def now(device: torch.device) -> float:
    """Wait until the device has done its work; returns seconds of an arbitrary origin."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds_of(call: Callable[[], Any], device: torch.device, count: int = 1) -> float:
    """Seconds of one call, the device's work included; the mean of `count` in a row."""
    start = now(device)
    for _ in range(count):
        call()
    return (now(device) - start) / count


def rate(
    call: Callable[[], Any], amount: int, least_seconds: float, device: torch.device, at_once: int = 1
) -> float:
    """Measure how much is done in a second: calls go on for `least_seconds` or longer.

    Args:
        call: does it.
        amount: done by one call.
        least_seconds: of all calls together.
        device: that does the work.
        at_once: calls between two looks at the clock. Default: 1.
    """
    start, calls, seconds = now(device), 0, 0.0
    while seconds < least_seconds:
        for _ in range(at_once):
            call()
        calls += at_once
        seconds = now(device) - start
    return calls * amount / seconds


def in_turn(
    calls: Mapping[K, Callable[[], T]], count: int, warm_up: int = 0, budget_s: float | None = None
) -> dict[K, list[T]]:
    """Call each in turn, `count` times, at least once.

    Args:
        calls: by name, or any other key.
        count: rounds that are kept.
        warm_up: rounds before them. Default: 0, where what warms up was called before.
        budget_s: seconds that the rounds kept may take, as far as the first foretells. Default: no limit.

    Returns:
        The results of every call, by the same keys.
    """
    for _ in range(warm_up):
        for call in calls.values():
            call()
    start = time.perf_counter()
    results = {name: [call()] for name, call in calls.items()}
    if budget_s is not None:
        count = min(count, int(budget_s / (time.perf_counter() - start)))
    for _ in range(count - 1):
        for name, call in calls.items():
            results[name].append(call())
    return results


def medians(results: Mapping[K, Sequence[float]]) -> dict[K, float]:
    """The median of each."""
    return {name: statistics.median(values) for name, values in results.items()}


def median_parts(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of every part of what was measured again and again."""
    return {key: statistics.median(one[key] for one in results) for key in results[0]}


def median_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the ratios of what was measured in the same round."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def copy_bandwidth(device: torch.device, dtype: torch.dtype, numel: int, count: int = 5) -> float:
    """Measure how fast warm memory is copied: the floor of whatever must pass over memory.

    Args:
        device: where.
        dtype: of the elements.
        numel: elements copied; few of them stay in a cache, as they would for the work compared.
        count: copies measured, of which the median is taken; one more warms up.

    Returns:
        Bytes per second, each element counted twice: read and written.
    """
    source = torch.zeros(numel, dtype=dtype, device=device)
    target = torch.empty_like(source)
    # A copy that takes less than a clock can tell is made many times over.
    inner = max(1, (1 << 22) // (numel * source.element_size()))
    timer = partial(seconds_of, partial(target.copy_, source), device, inner)
    seconds = medians(in_turn({"copy": timer}, count, warm_up=1))["copy"]
    return 2 * numel * source.element_size() / seconds


def peak_memory(call: Callable[[], Any], device: torch.device) -> int:
    """Bytes of tensors held at the peak of a call beyond those held before it.

    On CUDA this is the allocator's own count. On a CPU it is the running sum of all that torch's allocator
    gave and took back during the call, as its profiler records it: tensors and the work space of kernels,
    not the process' own size, which depends on what ran before.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with (
        _quiet(),
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as p,
    ):
        call()
    assert p.profiler is not None and p.profiler.kineto_results is not None
    held = peak = 0
    for event in p.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def free_memory(device: torch.device) -> int:
    """Bytes that nobody uses."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the lines which the profiler's library writes past Python whenever it starts and stops."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
