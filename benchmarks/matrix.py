"""Speed and memory of the matrix engine and its cores against a scan over outer products and `nn.LSTM`.

All are measured in turn in one process: forward and backward passes on [B, T, width], with heads of K by V.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from engram.benchmarks.options import DeviceOptions, Names, chosen
from engram.benchmarks.table import Table
from engram.benchmarks.timing import in_turn, median_ratio, medians, peak_memory, seconds_of
from engram.common.checked import settings
from engram.common.option_types import Count, Fraction, Size
from engram.memory_cores import MemoryCore
from engram.memory_cores.matrix import decayed_memory, delta_memory, stabilised_memory
from engram.memory_cores.scan import linear_scan
from engram.tools.core_files import core_families, core_maker

SCAN, LSTM = "linear_scan over outer products", "nn.LSTM"
COLUMNS = {
    "name": ("what", 34, ""),
    "milliseconds": ("fwd+bwd ms", 12, ".1f"),
    "peak_mebibytes": ("peak MiB", 10, ".0f"),
    "to_lstm": ("/ nn.LSTM", 11, ".2f"),
    "to_scan": ("/ scan", 9, ".3f"),
}


@settings()
class Options(DeviceOptions):
    """Options of this benchmark.

    Args:
        batch_size: environments, B.
        length: rows, T.
        hidden_size: width of the rows, the cores and the LSTM.
        num_heads: of every matrix memory.
        key_size: K of a head.
        value_size: V of a head.
        resets: share of rows that begin an episode.
        cores: of the matrix family, measured as one layer with its projections; options that are not here are those
            of their files.
        repeats: measured rounds, each of all in turn; one more warms up.
    """

    batch_size: Size = 64
    length: Size = 256
    hidden_size: Size = 256
    num_heads: Size = 4
    key_size: Size = 32
    value_size: Size = 64
    resets: Fraction = 0.03
    cores: Names = "all"
    repeats: Count = 5


def measure(options: Options) -> dict[str, Any]:
    """Print the times and the peak memory of all, beside the LSTM and the scan; returns them."""
    calls = make_calls(options)
    device = torch.device(options.device)
    timers = {name: partial(seconds_of, call, device) for name, call in calls.items()}
    seconds = in_turn(timers, options.repeats, warm_up=1)
    median, table = medians(seconds), Table(COLUMNS)
    for name, call in calls.items():
        table.add(
            {
                "name": name,
                "milliseconds": 1e3 * median[name],
                "peak_mebibytes": peak_memory(call, device) / 2**20,
                "to_lstm": median_ratio(seconds[name], seconds[LSTM]),
                "to_scan": median_ratio(seconds[name], seconds[SCAN]),
            }
        )
    return {"results": table.lines}


def make_calls(options: Options) -> dict[str, Callable[[], object]]:
    """Make what is timed: the engine's forms alone, the scan, the LSTM, and whole layers."""
    size = options.batch_size, options.length
    is_first = torch.rand(size, device=options.device) < options.resets
    x = torch.randn(*size, options.hidden_size, device=options.device, requires_grad=True)
    lstm = nn.LSTM(options.hidden_size, options.hidden_size, batch_first=True, device=options.device)
    calls: dict[str, Callable[[], object]] = {LSTM: _both(lambda: lstm(x)[0], [x, *lstm.parameters()])}
    calls |= make_engine_calls(options, is_first)
    for name in chosen("cores", options.cores, core_families()["matrix"]):
        core = make_layer(name, options)
        carry = core.initial_carry(options.batch_size)
        run = partial(core, x, carry, is_first)
        calls[f"core {name}"] = _both(partial(_rows_of, run), [x, *core.parameters()])
    return calls


def make_engine_calls(options: Options, is_first: Tensor) -> dict[str, Callable[[], object]]:
    """Make the calls of the engine's forms, and of the scan that they replace."""
    heads, keys, values = options.num_heads, options.key_size, options.value_size
    rows = *is_first.shape, heads

    def draw(*shape: int) -> Tensor:
        return torch.randn(*rows, *shape, device=options.device)

    q, k, v = (draw(width).requires_grad_() for width in (keys, keys, values))
    g, of_keys = ((-0.1 * draw(*shape).abs()).requires_grad_() for shape in ((), (keys,)))
    beta = draw().sigmoid().requires_grad_()
    unit = nn.functional.normalize(k, dim=-1).detach().requires_grad_()
    state = q.new_zeros(options.batch_size, heads, keys, values)
    states = state, state[..., 0], state[..., 0, 0]

    def scanned() -> Tensor:
        a = of_keys.exp().unsqueeze(-1).expand(*rows, keys, values).flatten(2)
        b = (k.unsqueeze(-1) * v.unsqueeze(-2)).flatten(2)
        scanned = linear_scan(a, b, is_first, state.flatten(1)).view(*rows, keys, values)
        return (q.unsqueeze(-2) @ scanned).squeeze(-2)

    return {
        SCAN: _both(scanned, [q, k, v, of_keys]),
        "decays of heads": _both(lambda: decayed_memory(q, k, v, g, is_first, state)[0], [q, k, v, g]),
        "decays of key channels": _both(
            lambda: decayed_memory(q, k, v, of_keys, is_first, state)[0], [q, k, v, of_keys]
        ),
        "gated delta rule": _both(
            lambda: delta_memory(q, unit, v, beta, g, is_first, state)[0], [q, unit, v, beta, g]
        ),
        "exponential gates": _both(
            lambda: stabilised_memory(q, k, v, beta, g, is_first, states)[0], [q, k, v, beta, g]
        ),
    }


def make_layer(name: str, options: Options) -> MemoryCore:
    """Build one layer of a core of the sizes asked for, as far as it has these options."""
    maker: Any = core_maker(name)
    sizes = {"hidden_size": options.hidden_size, "inner_size": options.hidden_size, "num_layers": 1}
    sizes |= {key: getattr(options, key) for key in ("num_heads", "key_size", "value_size")}
    known = inspect.signature(maker.func).parameters
    layer = maker(
        input_size=options.hidden_size, **{key: size for key, size in sizes.items() if key in known}
    )
    assert isinstance(layer, MemoryCore)
    return layer.to(options.device)


def _rows_of(run: Callable[[], tuple[Tensor, Any]]) -> Tensor:
    return run()[0]


def _both(run: Callable[[], Tensor], inputs: list[Tensor]) -> Callable[[], object]:
    wanted = [part for part in inputs if part.requires_grad]

    def call() -> object:
        return torch.autograd.grad(run().sum(), wanted, allow_unused=True)

    return call
