"""Measuring cores and their peers: sequences of many lengths, and steps early and late in an episode."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from tensordict import TensorDict

from engram.benchmarks.core_peers import Contender, Floor, Rows
from engram.benchmarks.timing import in_turn, peak_memory, seconds_of
from engram.common.say import say
from engram.memory_cores import MemoryCore, Resets

STEPS_AT_ONCE, LEAST_ACTING = 20, 25
CHUNK = 500
SHORTEST, MOST_CALLS = 0.02, 50

Key = tuple[str, float | None]  # a contender's name and the reset rate


@dataclass(frozen=True)
class Sizes:
    """What all measurements of a run share; see configs/benchmark_cores.yaml."""

    batch_size: int
    input_size: int
    device: torch.device
    autocast: bool
    seed: int
    repeats: int
    budget_s: float
    budget_bytes: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Read them from the configuration."""
        return cls(
            config["batch_size"],
            config["input_size"],
            torch.device(config["device"]),
            config["dtype"] == "bfloat16",
            config["seed"],
            config["repeats"],
            config["budget_s"],
            config["budget_gib"] * 2**30,
        )

    def precision(self) -> torch.autocast:
        """Return the context in which forward passes run."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.autocast)


@dataclass(frozen=True)
class Cell:
    """A contender at one length: medians, or why there are none.

    Attributes:
        name: of the contender.
        length: rows, T.
        reset_rate: share of rows that begin an episode; None for what knows no resets.
        seconds: of `forward` (without gradients) and `training` (forward and backward).
        peak_bytes: tensors held at the peak of the same beyond parameters and inputs.
        skipped: the reason, if it was not measured.
    """

    name: str
    length: int
    reset_rate: float | None
    seconds: dict[str, float]
    peak_bytes: dict[str, int]
    skipped: str | None = None


@dataclass(frozen=True)
class Acting:
    """A core at one row of an episode: seconds of `step`, and the bytes carried per environment."""

    name: str
    row: int
    step_seconds: float
    carry_bytes: int


def measure_lengths(
    contenders: Sequence[Contender | Floor], lengths: Sequence[int], rates: Sequence[float], sizes: Sizes
) -> list[Cell]:
    """Measure all contenders at all lengths and reset rates; those at one length in turn."""
    cells: list[Cell] = []
    latest: dict[Key, Cell] = {}
    for length in lengths:
        say(f"measuring T={length:,} …", file=sys.stderr)
        found = measure_length(contenders, length, rates, latest, sizes)
        cells += found
        latest |= {(cell.name, cell.reset_rate): cell for cell in found if cell.skipped is None}
    return cells


def measure_length(
    contenders: Sequence[Contender | Floor],
    length: int,
    rates: Sequence[float],
    latest: Mapping[Key, Cell],
    sizes: Sizes,
) -> list[Cell]:
    """Measure all contenders at one length; `latest` holds the cells of a shorter one."""
    rows = {rate: make_rows(length, rate or 0.0, sizes) for rate in (None, *rates)}
    skipped: list[Cell] = []
    peaks: dict[Key, dict[str, int]] = {}
    timers: dict[Key, Callable[[], dict[str, float]]] = {}
    for contender in contenders:
        for rate in rates if contender.resets else [None]:
            key = contender.name, rate
            reason = foresee(latest.get(key), length, sizes)
            if reason is None:
                calls = make_calls(contender, rows[rate], sizes)
                reason, peaks[key] = warm_up(calls, sizes)
            if reason is None:
                timers[key] = partial(time_calls, calls, sizes.device)
            else:
                skipped.append(Cell(contender.name, length, rate, {}, {}, reason))
    measured = in_turn(timers, sizes.repeats)
    return skipped + [
        Cell(name, length, rate, _medians(measured[name, rate]), peaks[name, rate]) for name, rate in timers
    ]


def _medians(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: statistics.median(part[key] for part in parts) for key in parts[0]}


def make_rows(length: int, reset_rate: float, sizes: Sizes) -> Rows:
    """Draw the inputs of a sequence."""
    generator = torch.Generator().manual_seed(sizes.seed)
    x = torch.randn(sizes.batch_size, length, sizes.input_size, generator=generator)
    host_is_first = torch.rand(sizes.batch_size, length, generator=generator) < reset_rate
    return Rows(x.to(sizes.device).requires_grad_(), host_is_first.to(sizes.device), host_is_first)


def make_calls(contender: Contender | Floor, rows: Rows, sizes: Sizes) -> dict[str, Callable[[], object]]:
    """Make the calls that are measured, by name: `forward` and `training`."""
    if isinstance(contender, Floor):
        return {"training": contender.prepare(rows)}
    run = contender.prepare(rows)
    inputs = [rows.x, *contender.parameters]

    def forward() -> None:
        with torch.no_grad(), sizes.precision():
            run()

    def training() -> None:
        with sizes.precision():
            total = run().float().sum()
        torch.autograd.grad(total, inputs, allow_unused=True)

    return {"forward": forward, "training": training}


def time_calls(calls: Mapping[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """Time each call once, or as many times as fit in `SHORTEST` seconds, since what is shorter is all noise."""
    seconds = {}
    for part, call in calls.items():
        seconds[part] = seconds_of(call, device)
        more = min(MOST_CALLS, int(SHORTEST / seconds[part])) - 1
        if more > 0:
            seconds[part] = seconds_of(partial(repeat, call, more), device) / more
    return seconds


def repeat(call: Callable[[], object], count: int) -> None:
    """Call again and again."""
    for _ in range(count):
        call()


def foresee(previous: Cell | None, length: int, sizes: Sizes) -> str | None:
    """Say why a cell would not fit the budgets, if the last length measured shows it; costs grow with T."""
    if previous is None:
        return None
    growth = length / previous.length
    seconds = sum(previous.seconds.values()) * growth
    # What can be called once is, even if not often enough: part of its time may not grow with T.
    if seconds > sizes.budget_s:
        return f"one round would take {seconds:.3g} s after T={previous.length}, more than budget_s={sizes.budget_s:g}"
    held = max(previous.peak_bytes.values()) * growth
    if held > sizes.budget_bytes:
        gib = sizes.budget_bytes / 2**30
        return f"it would hold {held / 2**30:.3g} GiB after T={previous.length}, more than budget_gib={gib:g}"
    return None


def warm_up(calls: Mapping[str, Callable[[], object]], sizes: Sizes) -> tuple[str | None, dict[str, int]]:
    """Call all once to warm up and once for their peak memory.

    Returns:
        Why they cannot be measured, or None; and the bytes of each.
    """
    peaks: dict[str, int] = {}
    try:
        seconds = sum(time_calls(calls, sizes.device).values())
        if sizes.budget_s / (sizes.repeats + 2) < seconds < sizes.budget_s:
            # The first call may have compiled something; a second one tells.
            seconds = sum(time_calls(calls, sizes.device).values())
        if seconds * (sizes.repeats + 2) > sizes.budget_s:
            return (
                f"one round takes {seconds:.3g} s, too long for {sizes.repeats} in budget_s={sizes.budget_s:g}",
                {},
            )
        for part, call in calls.items():
            peaks[part] = peak_memory(call, sizes.device)
    except RuntimeError as error:  # out of memory is one as well
        return f"failed: {str(error).strip().splitlines()[0][:200]}", {}
    return None, peaks


def measure_acting(cores: Mapping[str, MemoryCore], rows: Sequence[int], sizes: Sizes) -> list[Acting]:
    """Time `step` at rows of an episode, all in turn; a core's state must not make later rows dearer."""
    timers = {(name, row): make_stepper(core, row, sizes) for name, core in cores.items() for row in rows}
    in_turn(timers, 1)
    measured = in_turn(timers, max(sizes.repeats, LEAST_ACTING))
    return [
        Acting(name, row, statistics.median(measured[name, row]), carry_bytes(cores[name]))
        for name, row in timers
    ]


def make_stepper(core: MemoryCore, row: int, sizes: Sizes) -> Callable[[], float]:
    """Play an episode up to a row; returns a call that plays on and gives the seconds of one step."""
    rows = make_rows(CHUNK, 0.0, sizes)
    x, none_first = rows.x.detach(), torch.zeros_like(rows.is_first)
    carry = core.initial_carry(sizes.batch_size)
    with torch.no_grad(), sizes.precision():
        for begin in range(0, row, CHUNK):
            count = min(CHUNK, row - begin)
            resets = Resets(none_first[:, :count], rows.host_is_first[:, :count])
            _, carry = core(x[:, :count], carry, resets)

    def steps(carry: TensorDict) -> TensorDict:
        with torch.no_grad(), sizes.precision():
            for t in range(STEPS_AT_ONCE):
                _, carry = core.step(x[:, t], carry, none_first[:, t], donate=True)
        return carry

    # The same row each time, so that a store does not grow while it is measured.
    return lambda: seconds_of(partial(steps, carry.clone()), sizes.device) / STEPS_AT_ONCE


def carry_bytes(core: MemoryCore) -> int:
    """Count the bytes carried per environment, flags and counters included."""
    leaves = core.initial_carry(1).values(include_nested=True, leaves_only=True)
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves)
