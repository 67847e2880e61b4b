"""Speed of the linear scan against what the memory allows, and against its plain reference.

The floor is 8 passes over B·T·D numbers at the bandwidth of `copy_` between warm buffers of that size,
measured in turn with the scan, so that a machine whose speed drifts slows both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor

from engram.benchmarks.options import DeviceOptions, Sizes
from engram.benchmarks.table import Table
from engram.benchmarks.timing import in_turn, median_ratio, medians, seconds_of
from engram.common.checked import settings
from engram.common.cuda_graph import record_cuda_graph
from engram.common.option_types import Count, Positive
from engram.memory_cores.scan import linear_scan, linear_scan_reference, scan_engine

PASSES = 8
COLUMNS = {
    "size": ("size", 16, ""),
    "dtype": ("dtype", 12, ""),
    "forward_ms": ("forward ms", 12, ".3f"),
    "both_ms": ("fwd+bwd ms", 12, ".3f"),
    "floor_ms": ("floor ms", 12, ".3f"),
    "ratio": ("ratio", 12, ".2f"),
    "copy_gigabytes_per_second": ("copy GB/s", 12, ".1f"),
    "forward_share": ("fwd share", 12, ".0%"),
    "backward_share": ("bwd share", 12, ".0%"),
    "reference_ms": ("reference", 12, ".2f"),
}


@settings()
class Options(DeviceOptions):
    """Options of this benchmark.

    Args:
        sizes: [B, T, D]; on a GPU look at [256, 1024, 256] too.
        dtypes: of the numbers: float32, float64, complex64, complex128.
        resets: share of rows that begin an episode.
        repeats: measured ones of everything, taken in turn; two more warm up.
    """

    sizes: Sizes = ((64, 1024, 256), (8, 1024, 128))
    dtypes: Sequence[Literal["float32", "float64", "complex64", "complex128"]] = ("float32", "complex64")
    resets: Positive = 0.01
    repeats: Count = 15


def measure(options: Options) -> dict[str, Any]:
    """Print the times of every size and dtype beside their floor; returns them.

    The plain reference is measured at the smallest size only.
    """
    table = Table(COLUMNS)
    smallest = min(map(prod, options.sizes))
    for size in options.sizes:
        for name in options.dtypes:
            table.add(measure_size(list(size), name, options, with_reference=prod(size) == smallest))
    return {"results": table.lines}


def measure_size(size: list[int], name: str, options: Options, with_reference: bool) -> dict[str, Any]:
    """Measure one size and dtype.

    Returns:
        Medians. `forward_ms`: without gradients; `both_ms`: forward and backward through autograd, to a constant
        transition, the inputs and the carry; `floor_ms`: PASSES passes at the copy's bandwidth; `ratio`: of both to
        the floor; `copy_gigabytes_per_second`: read and written; `forward_share`: of the copy's bandwidth, of the
        forward loop alone: it must read b and write h; `backward_share`: likewise of the backward loop: it must read
        the gradient and h, and write grad_b; `reference_ms`: forward and backward of the plain reference, None where it
        was not measured.
    """
    dtype = getattr(torch, name)
    functions = _functions(size, dtype, options.device, options.resets)
    if not with_reference:
        del functions["reference"]
    alone = ("copy", "forward loop", "backward loop")
    timers = {key: _timer(one, options.device, captured=key in alone) for key, one in functions.items()}
    seconds = in_turn(timers, options.repeats, warm_up=2)
    median = medians(seconds)
    return {
        "size": size,
        "dtype": name,
        "forward_ms": 1e3 * median["forward"],
        "both_ms": 1e3 * median["both"],
        "floor_ms": 1e3 * PASSES / 2 * median["copy"],
        "ratio": median_ratio(seconds["both"], seconds["copy"]) / (PASSES / 2),
        "copy_gigabytes_per_second": 2 * prod(size) * dtype.itemsize / median["copy"] / 1e9,
        "forward_share": median["copy"] / median["forward loop"],
        "backward_share": 1.5 * median["copy"] / median["backward loop"],
        "reference_ms": 1e3 * median["reference"] if with_reference else None,
    }


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
        return partial(seconds_of, function, torch.device(device))
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
