"""Speed and memory of world-model learning: whole updates, their parts, and observing alone.

Learners of one size and shape are measured in turn in one process, so that a machine whose speed drifts slows
all alike; peak memory is that of one update in a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from scripts.checks import BENCHMARK_WORLD_MODEL, check_options
from scripts.config import compose_config, group_options, help_text
from scripts.errors import UsageError, usage_errors
from scripts.fresh_process import Peak, peak_of
from scripts.new_run import versions
from scripts.session import check_device
from scripts.timing import in_turn, seconds_of
from scripts.world_model_learners import EngramLearner, Learner, Problem
from scripts.world_model_peer import TorchRLLearner
from scripts.world_model_report import Result, find_ratios, print_problem

T = TypeVar("T")
REFERENCE = "gru/memory"
# What warms up: enough to build kernels and optimisers.
WARM_SHAPE = (2, 8)


def main(words: Sequence[str]) -> None:
    """Print times and memory of every learner at every size and shape; write them as JSON if asked to."""
    if any(word in ("-h", "--help") for word in words):
        print(help_text("benchmark_world_model"))
        return
    with usage_errors():
        config = read_options(words)
        problems = make_problems(config)
    load, results = os.getloadavg(), []
    print(f"on {versions(config['device'])['device']}, threads={config['threads']}")
    for problem in problems:
        found = measure(problem, config)
        print_problem(problem, found, config["reference"])
        sys.stdout.flush()
        results += found
    print(f"load average before and after: {load[0]:.1f}, {os.getloadavg()[0]:.1f}")
    if config["output"]:
        document = {
            "config": config,
            "versions": versions(config["device"]),
            "load_average": [load[0], os.getloadavg()[0]],
            "results": [result.as_dict() for result in results],
            "ratios": find_ratios(results, config["reference"]),
        }
        Path(config["output"]).write_text(json.dumps(document, indent=1) + "\n")


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Read and check the options.

    Raises:
        UsageError: names the first option that is wrong.
    """
    config = compose_config("benchmark_world_model", words).values
    check_options(config, BENCHMARK_WORLD_MODEL)
    check_device(config["device"])
    torch.set_num_threads(config["threads"])
    learners = config["learners"]
    if config["reference"] is None and REFERENCE in learners:
        config["reference"] = REFERENCE
    elif config["reference"] not in (None, *learners):
        raise UsageError(
            f"reference must be one of the learners, {', '.join(learners)}, but got {config['reference']!r}; "
            "name one of these."
        )
    return config


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


def measure(problem: Problem, config: dict[str, Any]) -> list[Result]:
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


def _timer(learner: Learner, device: torch.device) -> Callable[[], float]:
    return lambda: seconds_of(learner.observe, device)
