"""Measuring cores and their peers: sequences of many lengths, and steps early and late in an episode."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from tensordict import TensorDict

from engram.benchmarks.core_options import Options
from engram.benchmarks.core_peers import Contender, Floor, Rows
from engram.benchmarks.timing import in_turn, median_parts, medians, peak_memory, seconds_of
from engram.common.say import say
from engram.memory_cores import MemoryCore, Resets

STEPS_AT_ONCE, LEAST_ACTING = 20, 25
CHUNK = 500
SHORTEST, MOST_CALLS = 0.02, 50

Key = tuple[str, float | None]  # a contender's name and the reset rate


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


def measure_lengths(contenders: Sequence[Contender | Floor], options: Options) -> list[Cell]:
    """Measure all contenders at all lengths and reset rates; those at one length in turn."""
    cells: list[Cell] = []
    latest: dict[Key, Cell] = {}
    for length in options.lengths or ():
        say(f"measuring T={length:,} …", file=sys.stderr)
        found = measure_length(contenders, length, latest, options)
        cells += found
        latest |= {(cell.name, cell.reset_rate): cell for cell in found if cell.skipped is None}
    return cells


def measure_length(
    contenders: Sequence[Contender | Floor], length: int, latest: Mapping[Key, Cell], options: Options
) -> list[Cell]:
    """Measure all contenders at one length; `latest` holds the cells of a shorter one."""
    rates = options.reset_rates
    rows = {rate: make_rows(length, rate or 0.0, options) for rate in (None, *rates)}
    skipped: list[Cell] = []
    peaks: dict[Key, dict[str, int]] = {}
    timers: dict[Key, Callable[[], dict[str, float]]] = {}
    for contender in contenders:
        for rate in rates if contender.resets else [None]:
            key = contender.name, rate
            reason = foresee(latest.get(key), length, options)
            if reason is None:
                calls = make_calls(contender, rows[rate], options)
                reason, peaks[key] = warm_up(calls, options)
            if reason is None:
                timers[key] = partial(time_calls, calls, options.place)
            else:
                skipped.append(Cell(contender.name, length, rate, {}, {}, reason))
    return skipped + [
        Cell(key[0], length, key[1], median_parts(parts), peaks[key])
        for key, parts in in_turn(timers, options.repeats).items()
    ]


def make_rows(length: int, reset_rate: float, options: Options) -> Rows:
    """Draw the inputs of a sequence."""
    generator = torch.Generator().manual_seed(options.seed)
    x = torch.randn(options.batch_size, length, options.input_size, generator=generator)
    host_is_first = torch.rand(options.batch_size, length, generator=generator) < reset_rate
    return Rows(x.to(options.place).requires_grad_(), host_is_first.to(options.place), host_is_first)


def make_calls(contender: Contender | Floor, rows: Rows, options: Options) -> dict[str, Callable[[], object]]:
    """Make the calls that are measured, by name: `forward` and `training`."""
    if isinstance(contender, Floor):
        return {"training": contender.prepare(rows)}
    run = contender.prepare(rows)
    inputs = [rows.x, *contender.parameters]

    def forward() -> None:
        with torch.no_grad(), options.precision():
            run()

    def training() -> None:
        with options.precision():
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
            seconds[part] = seconds_of(call, device, more)
    return seconds


def foresee(previous: Cell | None, length: int, options: Options) -> str | None:
    """Say why a cell would not fit the budgets, if the last length measured shows it; costs grow with T."""
    if previous is None:
        return None
    growth = length / previous.length
    seconds = sum(previous.seconds.values()) * growth
    # What can be called once is, even if not often enough: part of its time may not grow with T.
    if seconds > options.budget_s:
        took = f"{seconds:.3g} s after T={previous.length}"
        return f"one round would take {took}, more than budget_s={options.budget_s:g}"
    held, gib = max(previous.peak_bytes.values()) * growth / 2**30, options.budget_gib
    if gib is not None and held > gib:
        return f"it would hold {held:.3g} GiB after T={previous.length}, more than budget_gib={gib:g}"
    return None


def warm_up(calls: Mapping[str, Callable[[], object]], options: Options) -> tuple[str | None, dict[str, int]]:
    """Call all once to warm up and once for their peak memory.

    Returns:
        Why they cannot be measured, or None; and the bytes of each.
    """
    peaks: dict[str, int] = {}
    try:
        seconds = sum(time_calls(calls, options.place).values())
        if options.budget_s / (options.repeats + 2) < seconds < options.budget_s:
            # The first call may have compiled something; a second one tells.
            seconds = sum(time_calls(calls, options.place).values())
        if seconds * (options.repeats + 2) > options.budget_s:
            return (
                f"one round takes {seconds:.3g} s, too long for {options.repeats} in budget_s={options.budget_s:g}",
                {},
            )
        for part, call in calls.items():
            peaks[part] = peak_memory(call, options.place)
    except RuntimeError as error:  # out of memory is one as well
        return f"failed: {str(error).strip().splitlines()[0][:200]}", {}
    return None, peaks


def measure_acting(cores: Mapping[str, MemoryCore], options: Options) -> list[Acting]:
    """Time `step` at rows of an episode, all in turn; a core's state must not make later rows dearer."""
    timers = {
        (name, row): make_stepper(core, row, options)
        for name, core in cores.items()
        for row in options.acting_rows
    }
    seconds = medians(in_turn(timers, max(options.repeats, LEAST_ACTING), warm_up=1))
    return [Acting(*key, median, cores[key[0]].carry_bytes()) for key, median in seconds.items()]


def make_stepper(core: MemoryCore, row: int, options: Options) -> Callable[[], float]:
    """Play an episode up to a row; returns a call that plays on and gives the seconds of one step."""
    rows = make_rows(CHUNK, 0.0, options)
    x, none_first = rows.x.detach(), torch.zeros_like(rows.is_first)
    carry = core.initial_carry(options.batch_size)
    with torch.no_grad(), options.precision():
        for begin in range(0, row, CHUNK):
            count = min(CHUNK, row - begin)
            resets = Resets(none_first[:, :count], rows.host_is_first[:, :count])
            _, carry = core(x[:, :count], carry, resets)

    def steps(carry: TensorDict) -> TensorDict:
        with torch.no_grad(), options.precision():
            for t in range(STEPS_AT_ONCE):
                _, carry = core.step(x[:, t], carry, none_first[:, t], donate=True)
        return carry

    # The same row each time, so that a store does not grow while it is measured.
    return lambda: seconds_of(partial(steps, carry.clone()), options.place) / STEPS_AT_ONCE
