"""Speed of dense layers on a CPU: torch's own product beside oneDNN's, and which of them is taken.

The thresholds of `engram.common.dense` follow from this table: where a ratio is above 1, oneDNN is the faster one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import torch

from engram.benchmarks.options import BenchmarkOptions
from engram.benchmarks.table import Table
from engram.benchmarks.timing import in_turn, median_ratio, medians, seconds_of
from engram.common import dense
from engram.common.checked import settings
from engram.common.dense import NEVER, Thresholds
from engram.common.option_types import Count, list_of
from engram.common.processor import this_processor

COLUMNS = {
    "size": ("rows, in, out", 18, ""),
    "product": ("product", 10, ""),
    "milliseconds": ("torch ms", 10, ".3f"),
    "gigaflops": ("GFLOP/s", 9, ".0f"),
    "onednn_gigaflops": ("oneDNN", 9, ".0f"),
    "ratio": ("ratio", 8, ".2f"),
    "taken": ("taken", 9, ""),
}
CPU = torch.device("cpu")


def _is_product(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) == 3 and all(type(n) is int and n > 0 for n in value)
    )


Products = Annotated[Sequence[Any], list_of("sizes [rows, in, out]", _is_product, "[[8192,256,256]]")]


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark.

    Args:
        sizes: [rows, in_features, out_features].
        repeats: measured ones of everything, taken in turn; two more warm up.
    """

    sizes: Products = (
        (64, 256, 256),
        (1024, 128, 128),
        (1024, 256, 256),
        (1024, 256, 1024),
        (8192, 64, 64),
        (8192, 128, 128),
        (8192, 256, 256),
        (8192, 256, 1024),
    )
    repeats: Count = 15


def measure(options: Options) -> dict[str, Any]:
    """Print both times of the layer and of the gradient to its matrix, for every size; returns them."""
    table = Table(COLUMNS)
    for rows, inputs, outputs in options.sizes:
        x, grad = torch.randn(rows, inputs), torch.randn(rows, outputs)
        weight, bias = torch.randn(outputs, inputs), torch.randn(outputs)
        calls = {
            "rows": partial(dense.linear, x, weight, bias),
            "weights": partial(dense.multiply_transposed, grad, x),
        }
        for product, call in calls.items():
            table.add(measure_product([rows, inputs, outputs], product, call, options.repeats))
    return {"processor": this_processor()._asdict(), "results": table.lines}


def measure_product(size: list[int], product: str, call: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Measure one product with either library; returns a line of the table."""
    count = 2 * size[0] * size[1] * size[2]
    at_once = min(1000, max(1, round(1e8 / count)))
    limits = {"torch": Thresholds(), "onednn": Thresholds(1, 1)}
    timers = {name: partial(_seconds_within, given, call, at_once) for name, given in limits.items()}
    seconds = in_turn(timers, repeats, warm_up=2)
    median = medians(seconds)
    limit: int = getattr(dense.LIMITS, product)
    return {
        "size": ", ".join(map(str, size)),
        "product": product,
        "milliseconds": 1e3 * median["torch"],
        "gigaflops": count / median["torch"] / 1e9,
        "onednn_gigaflops": count / median["onednn"] / 1e9,
        "ratio": median_ratio(seconds["torch"], seconds["onednn"]),
        "taken": "oneDNN" if limit < NEVER and count // 2 >= limit else "torch",
    }


def _seconds_within(limits: Thresholds, call: Callable[[], Any], at_once: int) -> float:
    before = dense.LIMITS
    dense.LIMITS = limits
    try:
        return seconds_of(call, CPU, at_once)
    finally:
        dense.LIMITS = before
