"""Tables and ratios of the benchmark of world models."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engram.benchmarks.fresh_process import Peak
from engram.benchmarks.world_model_learners import PARTS, Problem
from engram.common.say import say

_GIB = 2**30


@dataclass(frozen=True)
class Result:
    """What was measured of one learner on one problem.

    Attributes:
        problem: sizes and device.
        learner: its name.
        num_parameters: of all that it learns.
        updates: seconds of every part of every update, in the order they were made; empty if not measured.
        observed: seconds of observing alone, forward and backward; empty if not measured.
        peak: memory of one update; None if not measured, or too much.
        exceeded: whether an update took more memory than allowed.
    """

    problem: Problem
    learner: str
    num_parameters: int
    updates: list[dict[str, float]]
    observed: list[float]
    peak: Peak | None
    exceeded: bool

    @property
    def totals(self) -> list[float]:
        """Seconds of every update."""
        return [sum(parts.values()) for parts in self.updates]

    def part(self, name: str) -> float:
        """Median seconds of one part."""
        return statistics.median(parts.get(name, 0.0) for parts in self.updates)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, the medians among them."""
        medians: dict[str, Any] = {"update_seconds": None, "part_seconds": None, "observe_seconds": None}
        if self.updates:
            medians["update_seconds"] = statistics.median(self.totals)
            medians["part_seconds"] = {name: self.part(name) for name in PARTS}
        if self.observed:
            medians["observe_seconds"] = statistics.median(self.observed)
        values = asdict(self)
        return {**values.pop("problem"), **values, **medians}


def find_ratios(results: Sequence[Result], reference: str | None) -> list[dict[str, Any]]:
    """Divide the reference's times by every other learner's, round by round.

    Args:
        results: of any problems.
        reference: a learner's name; None gives no ratios.

    Returns:
        For each problem and other learner, the medians `update` and `observe` of the ratios, above 1 where the
        reference is slower; None where not measured.
    """
    ratios = []
    for result in results:
        theirs = [r for r in results if r.problem == result.problem and r.learner == reference]
        if not theirs or result.learner == reference:
            continue
        problem = result.problem
        shape = {"batch_size": problem.batch_size, "batch_length": problem.batch_length}
        ratios.append(
            {
                "size": problem.size,
                **shape,
                "learner": result.learner,
                "reference": reference,
                "update": _median_ratio(theirs[0].totals, result.totals),
                "observe": _median_ratio(theirs[0].observed, result.observed),
            }
        )
    return ratios


def print_problem(problem: Problem, results: Sequence[Result], reference: str | None) -> None:
    """Print the table of one problem."""
    say("", f"{problem.size}, {problem.batch_size} x {problem.batch_length} rows of {problem.observation}s")
    if any(result.updates or result.observed for result in results):
        _print_times(results)
    for ratio in find_ratios(results, reference):
        times = [f"{name} {ratio[name]:.2f}" for name in ("update", "observe") if ratio[name] is not None]
        if times:
            say(f"times faster than {reference}: {ratio['learner']:<20}{', '.join(times)}")
    for result in results:
        if result.peak is not None:
            peak, growth = result.peak.peak / _GIB, (result.peak.peak - result.peak.before) / _GIB
            say(f"peak memory: {result.learner:<20}{peak:.2f} GiB, {growth:.2f} of it in the update")
        elif result.exceeded:
            say(f"peak memory: {result.learner:<20}more than the limit")


def _print_times(results: Sequence[Result]) -> None:
    columns = ("update", *PARTS)
    say(
        f"{'median ms':<20}{'params':>8}"
        + "".join(f"{name:>11}" for name in columns)
        + f"{'observe f+b':>13}"
    )
    for result in results:
        cells = ["-"] * len(columns)
        if result.updates:
            cells = [_ms(statistics.median(result.totals)), *(_ms(result.part(name)) for name in PARTS)]
        alone = _ms(statistics.median(result.observed)) if result.observed else "-"
        millions = f"{result.num_parameters / 1e6:.2f}M"
        say(f"{result.learner:<20}{millions:>8}" + "".join(f"{cell:>11}" for cell in cells) + f"{alone:>13}")
    rounds = f"{len(results[0].updates)} updates, {len(results[0].observed)} times observing alone, of each"
    say(f"{'measured':<20}{rounds}")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.1f}"


def _median_ratio(theirs: Sequence[float], ours: Sequence[float]) -> float | None:
    pairs = list(zip(theirs, ours, strict=True))
    return statistics.median(a / b for a, b in pairs) if pairs else None
