"""Speed of the bootstrap intervals beside rliable's, on the same scores, with the intervals of both."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import torch

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
from engram.benchmarks.timing import in_turn, seconds_of
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Seed, Whole
from engram.scripts.output.tables import print_table


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_statistics.yaml` says what they are for."""

    num_runs: Annotated[int, Whole(2)] = 10
    tasks: Count = 15
    resamples: Count = 50000
    peer_resamples: Count = 2000
    repeats: Count = 3
    seed: Seed = 0


_THRESHOLDS = np.linspace(-1, 1, 51)


@dataclass(frozen=True)
class Result:
    """What was measured of one statistic; medians.

    Attributes:
        name: of the statistic.
        seconds: for the value and its interval.
        peer_seconds: rliable's, for as many resamples.
        ratio: the peer's time over ours.
        interval: ends; of a profile, in the middle.
        peer_interval: rliable's ends.
    """

    name: str
    seconds: float
    peer_seconds: float
    ratio: float
    interval: tuple[float, float]
    peer_interval: tuple[float, float]


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print the time of every statistic beside rliable's; returns both."""
    results = benchmark_statistics(config)
    lines = {
        one.name: [one.seconds, one.peer_seconds, one.ratio, *one.interval, *one.peer_interval]
        for one in results
    }
    columns = ["seconds", "rliable", "ratio", "low", "high", "its low", "its high"]
    sizes = f"{config['num_runs']} runs of {config['tasks']} tasks, {config['resamples']:,} resamples"
    print_table(sizes, columns, lines)
    return {"results": [asdict(result) for result in results]}


def benchmark_statistics(config: Mapping[str, Any]) -> list[Result]:
    """Measure every statistic, ours and rliable's in turn.

    Args:
        config: `num_runs`, `tasks`, `resamples`, `peer_resamples`, `repeats`, `seed`.

    Raises:
        UsageError: if rliable is not installed.
    """
    generator = np.random.Generator(np.random.Philox(config["seed"]))
    scores, others = generator.normal(size=(2, config["num_runs"], config["tasks"])).clip(-1, 1)
    device = torch.device("cpu")
    results = []
    for name, (ours, theirs) in _contenders(scores, others, config).items():
        found: dict[str, Any] = {}

        def own(ours: Callable[[], Estimate] = ours, found: dict[str, Any] = found) -> None:
            found["own"] = ours()

        def peer(theirs: Callable[[], Any] = theirs, found: dict[str, Any] = found) -> None:
            found["peer"] = theirs()

        own()
        calls = {"own": lambda own=own: seconds_of(own, device), "peer": lambda p=peer: seconds_of(p, device)}
        times = in_turn(calls, config["repeats"])
        scale = config["resamples"] / config["peer_resamples"]
        pairs = zip(times["own"], times["peer"], strict=True)
        results.append(
            Result(
                name,
                statistics.median(times["own"]),
                scale * statistics.median(times["peer"]),
                scale * statistics.median(theirs / ours for ours, theirs in pairs),
                _middle(found["own"].low, found["own"].high),
                _middle(*found["peer"]),
            )
        )
    return results


def _contenders(
    scores: np.ndarray, others: np.ndarray, config: Mapping[str, Any]
) -> dict[str, tuple[Callable[[], Estimate], Callable[[], Any]]]:
    """Our statistic and rliable's, by name; each gives an interval."""
    try:
        from rliable import library, metrics
    except ImportError as error:
        raise UsageError(
            "This benchmark measures rliable beside Engram, but it cannot be imported "
            f"({error}); pip install -e '.[benchmark]'."
        ) from error

    def ours(statistic: Callable[..., np.ndarray], *samples: np.ndarray) -> Callable[[], Estimate]:
        return lambda: estimate(statistic, *samples, resamples=config["resamples"], seed=config["seed"])

    def theirs(statistic: Callable[..., Any], sample: Any = scores) -> Callable[[], Any]:
        arguments = {"reps": config["peer_resamples"]}
        return lambda: library.get_interval_estimates(
            {"scores": sample}, lambda *parts: np.atleast_1d(statistic(*parts)), **arguments
        )[1]["scores"]

    def profile(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return performance_profile(values, draws, _THRESHOLDS)

    def their_profile(values: np.ndarray) -> np.ndarray:
        return library.score_distributions(values, _THRESHOLDS)

    improvement = ours(probability_of_improvement, scores, others)
    return {
        "interquartile mean": (ours(interquartile_mean, scores), theirs(metrics.aggregate_iqm)),
        "median": (ours(median, scores), theirs(metrics.aggregate_median)),
        "mean": (ours(mean, scores), theirs(metrics.aggregate_mean)),
        "optimality gap": (ours(optimality_gap, scores), theirs(metrics.aggregate_optimality_gap)),
        "performance profile": (ours(profile, scores), theirs(their_profile)),
        "probability of improvement": (
            improvement,
            theirs(metrics.probability_of_improvement, [scores, others]),
        ),
    }


def _middle(low: Any, high: Any) -> tuple[float, float]:
    """The ends in the middle of a profile, or those of a number."""
    low, high = np.ravel(low), np.ravel(high)
    return float(low[len(low) // 2]), float(high[len(high) // 2])
