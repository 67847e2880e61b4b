"""Speed of the bootstrap intervals beside rliable's, on the same scores, with the intervals of both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np

from engram.analysis.statistics import (
    Estimate,
    estimate,
    interquartile_mean,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from engram.benchmarks.options import BenchmarkOptions
from engram.benchmarks.peers import peer
from engram.benchmarks.timing import in_turn, median_ratio
from engram.common.checked import settings
from engram.common.option_types import Count, Seed, Whole
from engram.scripts.output.tables import print_table


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark.

    Args:
        num_runs: of each task.
        tasks: that were trained.
        resamples: of the stratified bootstrap.
        peer_resamples: of rliable, which draws them one by one: its time is scaled up to `resamples`.
        repeats: measurements of each, taken in turn; medians are shown.
        seed: of the scores and the draws.
    """

    num_runs: Annotated[int, Whole(2)] = 10
    tasks: Count = 15
    resamples: Count = 50000
    peer_resamples: Count = 2000
    repeats: Count = 3
    seed: Seed = 0


_THRESHOLDS = np.linspace(-1, 1, 51)
COLUMNS = ("seconds", "rliable", "ratio", "low", "high", "its low", "its high")


def measure(options: Options) -> dict[str, Any]:
    """Print the time of every statistic beside rliable's; returns both."""
    results = benchmark_statistics(options)
    lines = {
        one["name"]: [
            *(one[key] for key in ("seconds", "peer_seconds", "ratio")),
            *one["interval"],
            *one["peer_interval"],
        ]
        for one in results
    }
    sizes = f"{options.num_runs} runs of {options.tasks} tasks, {options.resamples:,} resamples"
    print_table(sizes, COLUMNS, lines)
    return {"results": results}


def benchmark_statistics(options: Options) -> list[dict[str, Any]]:
    """Measure every statistic, ours and rliable's in turn.

    Returns:
        Of each `name`, medians: `seconds` for the value and its interval, `peer_seconds` of rliable for as many
        resamples, and `ratio`, the peer's time over ours; and the ends, `interval` and `peer_interval`, those of a
        profile in its middle.

    Raises:
        UsageError: if rliable is not installed.
    """
    generator = np.random.Generator(np.random.Philox(options.seed))
    scores, others = generator.normal(size=(2, options.num_runs, options.tasks)).clip(-1, 1)
    scale = options.resamples / options.peer_resamples
    results = []
    for name, calls in _contenders(scores, others, options).items():
        calls["own"]()
        found = in_turn({key: partial(_timed, call) for key, call in calls.items()}, options.repeats)
        seconds = {key: [one for one, _ in results_of] for key, results_of in found.items()}
        own, peer_interval = found["own"][-1][1], found["peer"][-1][1]
        results.append(
            {
                "name": name,
                "seconds": statistics.median(seconds["own"]),
                "peer_seconds": scale * statistics.median(seconds["peer"]),
                "ratio": scale * median_ratio(seconds["peer"], seconds["own"]),
                "interval": _middle(own.low, own.high),
                "peer_interval": _middle(*peer_interval),
            }
        )
    return results


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and what it gave."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _contenders(
    scores: np.ndarray, others: np.ndarray, options: Options
) -> dict[str, dict[str, Callable[[], Any]]]:
    """Our statistic and rliable's, `own` and `peer`, by name; each gives an interval."""
    with peer("rliable", "choose another benchmark"):
        from rliable import library, metrics

    def ours(statistic: Callable[..., np.ndarray], *samples: np.ndarray) -> Callable[[], Estimate]:
        return lambda: estimate(statistic, *samples, resamples=options.resamples, seed=options.seed)

    def theirs(statistic: Callable[..., Any], sample: Any = scores) -> Callable[[], Any]:
        arguments = {"reps": options.peer_resamples}
        return lambda: library.get_interval_estimates(
            {"scores": sample}, lambda *parts: np.atleast_1d(statistic(*parts)), **arguments
        )[1]["scores"]

    def profile(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return performance_profile(values, draws, _THRESHOLDS)

    def their_profile(values: np.ndarray) -> np.ndarray:
        return library.score_distributions(values, _THRESHOLDS)

    one = {
        "interquartile mean": (interquartile_mean, metrics.aggregate_iqm),
        "median": (median, metrics.aggregate_median),
        "mean": (mean, metrics.aggregate_mean),
        "optimality gap": (optimality_gap, metrics.aggregate_optimality_gap),
        "performance profile": (profile, their_profile),
    }
    pairs = {name: {"own": ours(own, scores), "peer": theirs(their)} for name, (own, their) in one.items()}
    improvement = {
        "own": ours(probability_of_improvement, scores, others),
        "peer": theirs(metrics.probability_of_improvement, [scores, others]),
    }
    return pairs | {"probability of improvement": improvement}


def _middle(low: Any, high: Any) -> tuple[float, float]:
    """The ends in the middle of a profile, or those of a number."""
    low, high = np.ravel(low), np.ravel(high)
    return float(low[len(low) // 2]), float(high[len(high) // 2])
