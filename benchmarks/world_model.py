"""Speed and memory of world-model learning: whole updates, their parts, and observing alone.

Learners of one size and shape are measured in turn in one process, so that a machine whose speed drifts slows
all alike; peak memory is that of one update in a process of its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch

from engram.benchmarks.fresh_process import Peak, peak_of
from engram.benchmarks.options import DeviceOptions, Words
from engram.benchmarks.timing import in_turn, seconds_of
from engram.benchmarks.world_model_learners import EngramLearner, Learner, Problem
from engram.benchmarks.world_model_peer import TorchRLLearner
from engram.benchmarks.world_model_report import Result, find_ratios, print_problem
from engram.command_line.groups import group_options
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Positive, Seed, Word
from engram.common.say import say
from engram.run_files.versions import versions
from engram.training.faults import usage_errors

REFERENCE = "gru/memory"


@settings()
class Options(DeviceOptions):
    """Options of this benchmark.

    One update at Memory Maze's size, for its memory alone: sizes=[memory_maze] shapes=[4x1024]
    learners=[r2i/observation] updates=false observe=false.

    Args:
        learners: <core>/<posterior> with any core of configs/core, torchrl/gru or torchrl/block_gru. With
            `observation` the posterior reads whole sequences at once, with `memory` row by row.
        reference: whose times are divided by the others'; null: gru/memory, if it is among them.
        sizes: files of configs/size; those of DreamerV3 with its agent, the others with r2i.
        shapes: sequences x rows of an update.
        observation: vector (16 numbers) or image (64×64×3); null: image at memory_maze, else vector.
        updates: time whole updates and their parts.
        observe: time observing alone, forward and backward.
        memory: peak memory of an update, in a process of its own.
        limit_gib: what takes more memory there is said to; CPU alone; null: no limit.
        seed: of parameters and rows.
        repeats: measured calls of each, taken in turn; a small one warms up.
        budget_s: fewer repeats, where they would take longer than this for one size and shape; never none.
        overrides: further options of agent and core, ['agent.imagine_every=8'].
    """

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


def measure(options: Options) -> dict[str, Any]:
    """Print times and memory of every learner at every size and shape; returns them and their ratios."""
    with usage_errors():
        reference = _reference(options)
        problems = make_problems(options)
    results = []
    say(f"on {versions(options.device)['device']}, threads={options.threads}")
    for problem in problems:
        found = measure_problem(problem, options)
        print_problem(problem, found, reference)
        sys.stdout.flush()
        results += found
    return {"results": [result.as_dict() for result in results], "ratios": find_ratios(results, reference)}


def make_problems(options: Options) -> list[Problem]:
    """Read every size and shape asked for.

    Raises:
        UsageError: for a size that does not exist, or a shape that is none.
    """
    problems = []
    for size in options.sizes:
        if size not in group_options("size"):
            raise UsageError(
                f"sizes must be a list of {', '.join(group_options('size'))}, but got {size!r}; name these."
            )
        for shape in options.shapes:
            found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", str(shape))
            if found is None:
                raise UsageError(
                    f"shapes must be a list of <sequences>x<rows>, but got {shape!r}; write [16x64]."
                )
            observation = options.observation or ("image" if size == "memory_maze" else "vector")
            more = observation, options.device, options.seed, tuple(options.overrides)
            problems.append(Problem(size, int(found[1]), int(found[2]), *more))
    return problems


def measure_problem(problem: Problem, options: Options) -> list[Result]:
    """Measure every learner on one size and shape."""
    names, device = options.learners, torch.device(options.device)
    with usage_errors():
        learners = {name: make_learner(name, problem) for name in names}
        sizes = {name: learner.num_parameters for name, learner in learners.items()}
        if options.updates or options.observe:
            warm_up(names, problem)
    observed: dict[str, list[float]] = {}
    parts: dict[str, list[dict[str, float]]] = {}
    wholes: dict[str, list[float]] = {}
    limits = options.repeats, 0, options.budget_s
    if options.observe:
        timers = {name: partial(seconds_of, one.observe, device) for name, one in learners.items()}
        observed = in_turn(timers, *limits)
    if options.updates:
        parts = in_turn({name: one.update for name, one in learners.items()}, *limits)
    if options.updates and device.type == "cuda":
        wholes = in_turn({name: partial(update_through, one) for name, one in learners.items()}, *limits)
    learners.clear()
    results = []
    for name in names:
        peak: Peak | None = None
        if options.memory:
            peak = peak_of(prepare_update, (name, problem), options.device, options.limit_gib)
        exceeded = options.memory and peak is None
        results.append(
            Result(
                problem,
                name,
                sizes[name],
                parts.get(name, []),
                observed.get(name, []),
                peak,
                exceeded,
                wholes.get(name, []),
            )
        )
    return results


def make_learner(name: str, problem: Problem) -> Learner:
    """Make one of ours, or TorchRL's."""
    return (TorchRLLearner if name.startswith("torchrl/") else EngramLearner)(name, problem)


def update_through(learner: Learner) -> float:
    """Let a learner update without waiting for the device between the parts; returns the seconds of the whole."""
    learner.watch.waits = False
    try:
        return sum(learner.update().values())
    finally:
        learner.watch.waits = True


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


def _reference(options: Options) -> str | None:
    """The learner the others are compared with; UsageError if it is none of them."""
    learners, reference = options.learners, options.reference
    if reference is None and REFERENCE in learners:
        return REFERENCE
    if reference not in (None, *learners):
        raise UsageError(
            f"reference must be one of the learners, {', '.join(learners)}, but got {reference!r}; "
            "name one of these."
        )
    return reference
