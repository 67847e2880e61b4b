"""Speed and memory of world-model learning: whole updates, their parts, and observing alone.

Learners of one size and shape are measured in turn in one process, so that a machine whose speed drifts slows
all alike; peak memory is that of one update in a process of its own.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import torch

from engram.benchmarks.fresh_process import Peak, peak_of
from engram.benchmarks.options import BenchmarkOptions, Words
from engram.benchmarks.timing import in_turn, seconds_of
from engram.benchmarks.world_model_learners import EngramLearner, Learner, Problem
from engram.benchmarks.world_model_peer import TorchRLLearner
from engram.benchmarks.world_model_report import Result, find_ratios, print_problem
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Positive, Seed, Word
from engram.common.say import say
from engram.scripts.command_line.groups import group_options
from engram.scripts.faults.errors import usage_errors
from engram.training.new_run import versions

T = TypeVar("T")
REFERENCE = "gru/memory"


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_world_model.yaml` says what they are for."""

    device: Word = "cpu"
    learners: Words = (
        "r2i/observation",
        "s5/observation",
        "gru/memory",
        "block_gru/memory",
        "torchrl/block_gru",
    )
    reference: Word | None = None
    sizes: Words = ("1M", "12M")
    shapes: Words = ("16x64", "4x1024")
    observation: Literal["vector", "image"] | None = None
    updates: bool = True
    observe: bool = True
    memory: bool = True
    limit_gib: Positive | None = None
    seed: Seed = 0
    repeats: Count = 5
    budget_s: Positive = 30
    overrides: Sequence[Any] = ()


# What warms up: enough to build kernels and optimisers.
WARM_SHAPE = (2, 8)


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print times and memory of every learner at every size and shape; returns them and their ratios."""
    with usage_errors():
        reference = _reference(config)
        problems = make_problems(config)
    results = []
    say(f"on {versions(config['device'])['device']}, threads={config['threads']}")
    for problem in problems:
        found = measure_problem(problem, config)
        print_problem(problem, found, reference)
        sys.stdout.flush()
        results += found
    return {"results": [result.as_dict() for result in results], "ratios": find_ratios(results, reference)}


def make_problems(config: dict[str, Any]) -> list[Problem]:
    """Read every size and shape asked for.

    Raises:
        UsageError: for a size that does not exist, or a shape that is none.
    """
    problems = []
    for size in config["sizes"]:
        if size not in group_options("size"):
            raise UsageError(
                f"sizes must be a list of {', '.join(group_options('size'))}, but got {size!r}; name these."
            )
        for shape in config["shapes"]:
            found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", str(shape))
            if found is None:
                raise UsageError(
                    f"shapes must be a list of <sequences>x<rows>, but got {shape!r}; write [16x64]."
                )
            observation = config["observation"] or ("image" if size == "memory_maze" else "vector")
            more = observation, config["device"], config["seed"], tuple(config["overrides"])
            problems.append(Problem(size, int(found[1]), int(found[2]), *more))
    return problems


def measure_problem(problem: Problem, config: dict[str, Any]) -> list[Result]:
    """Measure every learner on one size and shape."""
    names, device = config["learners"], torch.device(config["device"])
    with usage_errors():
        learners = {name: make_learner(name, problem) for name in names}
        sizes = {name: learner.num_parameters for name, learner in learners.items()}
        if config["updates"] or config["observe"]:
            warm_up(names, problem)
    parts: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    observed: dict[str, list[float]] = {name: [] for name in names}
    if config["observe"]:
        timed = {name: _timer(learner, device) for name, learner in learners.items()}
        observed = repeat(timed, config["repeats"], config["budget_s"])
    if config["updates"]:
        updates = {name: learner.update for name, learner in learners.items()}
        parts = repeat(updates, config["repeats"], config["budget_s"])
    learners.clear()
    results = []
    for name in names:
        peak: Peak | None = None
        if config["memory"]:
            peak = peak_of(prepare_update, (name, problem), config["device"], config["limit_gib"])
        exceeded = config["memory"] and peak is None
        results.append(Result(problem, name, sizes[name], parts[name], observed[name], peak, exceeded))
    return results


def make_learner(name: str, problem: Problem) -> Learner:
    """Make one of ours, or TorchRL's."""
    return (TorchRLLearner if name.startswith("torchrl/") else EngramLearner)(name, problem)


def prepare_update(name: str, problem: Problem) -> Callable[[], object]:
    """Make a learner in a process of its own; returns its update."""
    return make_learner(name, problem).update


def warm_up(names: Sequence[str], problem: Problem) -> None:
    """Let every learner's kind update and observe once, on a few rows."""
    small = Problem(problem.size, *WARM_SHAPE, problem.observation, problem.device, 0, problem.overrides)
    for name in names:
        learner = make_learner(name, small)
        learner.update()
        learner.observe()


def repeat(calls: Mapping[str, Callable[[], T]], count: int, budget: float) -> dict[str, list[T]]:
    """Call each in turn, `count` times, or as often as `budget` seconds allow, but at least once."""
    start = time.perf_counter()
    results = in_turn(calls, 1)
    rounds = min(count, int(budget / (time.perf_counter() - start)))
    for name, more in in_turn(calls, rounds - 1).items():
        results[name] += more
    return results


def _reference(config: dict[str, Any]) -> str | None:
    """The learner the others are compared with; UsageError if it is none of them."""
    learners, reference = config["learners"], config["reference"]
    if reference is None and REFERENCE in learners:
        return REFERENCE
    if reference not in (None, *learners):
        raise UsageError(
            f"reference must be one of the learners, {', '.join(learners)}, but got {reference!r}; "
            "name one of these."
        )
    return reference


def _timer(learner: Learner, device: torch.device) -> Callable[[], float]:
    return lambda: seconds_of(learner.observe, device)
