"""Tables and ratios of the benchmark of world models."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engram.benchmarks.fresh_process import Peak
from engram.benchmarks.timing import median_parts, median_ratio
from engram.benchmarks.world_model_learners import PARTS, Problem
from engram.common.say import say
from engram.scripts.output.tables import print_table

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
        wholes: seconds of updates within which nothing waits for the device; empty where nothing ever does.
    """

    problem: Problem
    learner: str
    num_parameters: int
    updates: list[dict[str, float]]
    observed: list[float]
    peak: Peak | None
    exceeded: bool
    wholes: Sequence[float] = ()

    @property
    def totals(self) -> list[float]:
        """Seconds of every update, those that nothing waits in where there is a difference."""
        return list(self.wholes) or [sum(parts.values()) for parts in self.updates]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, the medians among them."""
        values, parts = asdict(self), [dict.fromkeys(PARTS, 0.0) | one for one in self.updates]
        medians = {
            "update_seconds": statistics.median(self.totals) if self.updates else None,
            "part_seconds": median_parts(parts) if parts else None,
            "observe_seconds": statistics.median(self.observed) if self.observed else None,
        }
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
                **{
                    key: median_ratio(over, under) if over else None
                    for key, over, under in (
                        ("update", theirs[0].totals, result.totals),
                        ("observe", theirs[0].observed, result.observed),
                    )
                },
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
    lines: dict[str, list[float | None]] = {}
    for result in results:
        found = result.as_dict()
        parts = found["part_seconds"] or {}
        seconds = [found["update_seconds"], *(parts.get(name) for name in PARTS), found["observe_seconds"]]
        times = [None if value is None else 1e3 * value for value in seconds]
        lines[result.learner] = [result.num_parameters / 1e6, *times]
    rounds = f"{len(results[0].updates)} updates, {len(results[0].observed)} times observing alone, of each"
    print_table(f"median ms ({rounds})", ("params, M", "update", *PARTS, "observe f+b"), lines)
