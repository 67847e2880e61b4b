"""Speed of the linear scan against what the memory allows, and against its plain reference.

The floor is 8 passes over B·T·D numbers at the bandwidth of `copy_` between warm buffers of that size,
measured in turn with the scan, so that a machine whose speed drifts slows both alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor

from engram.benchmarks.options import BenchmarkOptions, Sizes
from engram.common.checked import settings
from engram.common.option_types import Count, Positive, Word
from engram.common.say import say
from engram.envs.captured import record_cuda_graph
from engram.memory_cores.scan import linear_scan, linear_scan_reference, scan_engine

PASSES = 8


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_scan.yaml` says what they are for."""

    device: Word = "cpu"
    sizes: Sizes = ((64, 1024, 256), (8, 1024, 128))
    dtypes: Sequence[Literal["float32", "float64", "complex64", "complex128"]] = ("float32", "complex64")
    resets: Positive = 0.01
    repeats: Count = 15


@dataclass(frozen=True)
class Result:
    """What was measured of one size and dtype; medians.

    Attributes:
        size: B, T and D.
        dtype: of the numbers.
        forward_ms: without gradients.
        both_ms: forward and backward through autograd, to a constant transition, the inputs and the carry.
        floor_ms: PASSES passes at the copy's bandwidth.
        ratio: of both to the floor.
        copy_gigabytes_per_second: read and written.
        forward_share: of the copy's bandwidth, of the forward loop alone: it must read b and write h.
        backward_share: likewise of the backward loop: it must read the gradient and h, and write grad_b.
        reference_ms: forward and backward of the plain reference; None where it was not measured.
    """

    size: tuple[int, int, int]
    dtype: str
    forward_ms: float
    both_ms: float
    floor_ms: float
    ratio: float
    copy_gigabytes_per_second: float
    forward_share: float
    backward_share: float
    reference_ms: float | None


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print the times of every size and dtype beside their floor; returns them.

    The plain reference is measured at the smallest size only.
    """
    sizes = config["sizes"]
    smallest = min(prod(size) for size in sizes)
    results = [
        _measure(size, name, config["device"], config["resets"], config["repeats"], prod(size) == smallest)
        for size in sizes
        for name in config["dtypes"]
    ]
    report(results)
    return {"results": [asdict(result) for result in results]}


def report(results: Sequence[Result]) -> None:
    """Print a table."""
    head = ("size", "dtype", "forward ms", "fwd+bwd ms", "floor ms", "ratio", "copy GB/s")
    say(("{:>16}{:>12}" + "{:>12}" * 8).format(*head, "fwd share", "bwd share", "reference"))
    for r in results:
        reference = "" if r.reference_ms is None else f"{r.reference_ms:.2f}"
        say(
            f"{r.size!s:>16}{r.dtype:>12}{r.forward_ms:>12.3f}{r.both_ms:>12.3f}{r.floor_ms:>12.3f}"
            f"{r.ratio:>12.2f}{r.copy_gigabytes_per_second:>12.1f}{r.forward_share:>12.0%}"
            f"{r.backward_share:>12.0%}{reference:>12}"
        )


def _measure(
    size: list[int], name: str, device: str, resets: float, repeats: int, with_reference: bool
) -> Result:
    functions = _functions(size, getattr(torch, name), device, resets)
    if not with_reference:
        del functions["reference"]
    alone = ("copy", "forward loop", "backward loop")
    timers = {key: _timer(function, device, captured=key in alone) for key, function in functions.items()}
    seconds: dict[str, list[float]] = {key: [] for key in timers}
    for index in range(repeats + 2):
        for key, timer in timers.items():
            value = timer()
            if index > 1:
                seconds[key].append(value)
    median = {key: statistics.median(values) for key, values in seconds.items()}
    copy_bytes = 2 * prod(size) * getattr(torch, name).itemsize
    pairs = zip(seconds["both"], seconds["copy"], strict=True)
    return Result(
        size=(size[0], size[1], size[2]),
        dtype=name,
        forward_ms=1e3 * median["forward"],
        both_ms=1e3 * median["both"],
        floor_ms=1e3 * PASSES / 2 * median["copy"],
        ratio=statistics.median(both / (PASSES / 2 * copy) for both, copy in pairs),
        copy_gigabytes_per_second=copy_bytes / median["copy"] / 1e9,
        forward_share=median["copy"] / median["forward loop"],
        backward_share=1.5 * median["copy"] / median["backward loop"],
        reference_ms=1e3 * median["reference"] if with_reference else None,
    )


def _functions(
    size: list[int], dtype: torch.dtype, device: str, resets: float
) -> dict[str, Callable[[], object]]:
    """Make what is timed, on the same ready tensors."""
    batch, length, width = size
    b, grad = (torch.randn(size, dtype=dtype, device=device) for _ in range(2))
    a = 0.99 * torch.nn.functional.normalize(torch.randn(width, 1, dtype=dtype, device=device)).flatten()
    carry = torch.randn(batch, width, dtype=dtype, device=device)
    is_first = torch.rand(batch, length, device=device) < resets
    leaves = [a.clone().requires_grad_(), b.clone().requires_grad_(), carry.clone().requires_grad_()]
    loops = scan_engine(torch.device(device).type)
    states, target = loops.scan_forward(a, b, is_first, carry, None), torch.empty_like(b)

    def both(scan: Callable[..., Tensor]) -> object:
        return torch.autograd.grad(scan(*leaves[:2], is_first, leaves[2]), leaves, grad)

    def forward() -> object:
        with torch.no_grad():
            return linear_scan(a, b, is_first, carry)

    return {
        "copy": lambda: target.copy_(b),
        "forward": forward,
        "both": lambda: both(linear_scan),
        "forward loop": lambda: loops.scan_forward(a, b, is_first, carry, None),
        "backward loop": lambda: loops.scan_backward(a, is_first, carry, None, states, grad, True),
        "reference": lambda: both(linear_scan_reference),
    }


def _timer(function: Callable[[], object], device: str, captured: bool) -> Callable[[], float]:
    """Make a function that returns the seconds a call takes.

    On CUDA they are the device's own, over several calls in a row. `captured` ones are replayed from a CUDA
    graph: without it, starting a short kernel from Python would take longer than the kernel.
    """
    if not device.startswith("cuda"):

        def on_cpu() -> float:
            start = time.perf_counter()
            function()
            return time.perf_counter() - start

        return on_cpu
    calls = 10

    def several() -> None:
        for _ in range(calls):
            function()

    work: Callable[[], None] = several
    if captured:
        function()  # compiles
        torch.cuda.synchronize(device)
        work = record_cuda_graph(several, torch.device(device))

    def on_device() -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / calls

    return on_device
