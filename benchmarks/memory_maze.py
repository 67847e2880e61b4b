"""Speed of the native Memory Maze beside the real one: rows per second, each with its picture.

The real one is stepped in this process, as its package ships it and with the faster test of touch. Actions are
random and drawn before. All are measured in turn in one process, so that a machine whose speed drifts slows all alike.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from engram.benchmarks.env_timing import captured_rollout, random_actions, rate, stepper
from engram.benchmarks.options import BenchmarkOptions, Counts, Names
from engram.benchmarks.timing import in_turn
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Positive, Seed, Word
from engram.common.say import say
from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.memory_maze.real.versions import check_versions
from engram.envs.memory_maze.sizes import SIZES
from engram.scripts.faults.errors import usage_errors


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_memory_maze.yaml` says what they are for."""

    threads: Count = 2
    device: Word = "cpu"
    sizes: Names = ("9x9",)
    num_envs: Counts = (1024,)
    package: bool = True
    num_layouts: Count = 2048
    seconds: Positive = 1.0
    repeats: Count = 5
    captured_steps: Count = 16
    seed: Seed = 0


# Steps whose actions are drawn before; then they come again.
_ACTIONS = 64


@dataclass(frozen=True)
class Result:
    """Rows per second of one size; medians.

    Attributes:
        size: of the maze.
        num_envs: of the native version.
        native: rows per second, step by step.
        blind: the same without the picture: what the rules, the motion and the driver take.
        captured: of whole rollouts as a CUDA graph; None on a CPU.
        real: of one process of the package as shipped; None where it does not exist or was not asked for.
        real_fast: of the same with the faster test of touch.
        ratio: of the faster native one to the package as shipped.
    """

    size: str
    num_envs: int
    native: float
    blind: float
    captured: float | None
    real: float | None
    real_fast: float | None
    ratio: float | None


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print rows per second of every size; returns them."""
    with usage_errors():
        sizes = _chosen(config)
    results = []
    columns = ("native", "no picture", "captured", "real", "real, fast", "ratio")
    say(f"{'size':<8}{'B':>8}" + "".join(f"{name:>14}" for name in columns))
    for size in sizes:
        for result in benchmark_size(size, config):
            say(_line(result), flush=True)
            results.append(result)
    return {"results": [asdict(result) for result in results]}


def benchmark_size(size: str, config: dict[str, Any]) -> list[Result]:
    """Measure one size.

    Args:
        size: of the maze.
        config: as in the YAML.

    Returns:
        One result for each number of environments.
    """
    device = torch.device(config["device"])
    timers: dict[str, Callable[[], float]] = {}
    for count in config["num_envs"]:
        for name, options in {"native": {}, "blind": {"camera": False, "global_observables": True}}.items():
            env = MemoryMaze(count, size, device, num_layouts=config["num_layouts"], **options)
            actions = random_actions(env, _ACTIONS, config["seed"])
            env.reset(config["seed"])
            step = stepper(env, actions)
            timers[f"{name} {count}"] = partial(rate, step, count, config["seconds"], device)
            if device.type == "cuda" and name == "native":
                rows = count * config["captured_steps"]
                replay = captured_rollout(env, actions, config["captured_steps"], config["seed"])
                timers[f"captured {count}"] = partial(rate, replay, rows, config["seconds"], device)
    if config["package"] and size != "tiny":
        for name, is_shipped in {"real": True, "real fast": False}.items():
            step = _real_stepper(size, is_shipped, config["seed"])
            timers[name] = partial(rate, step, 1, config["seconds"], torch.device("cpu"))
    rates = {key: values[1:] for key, values in in_turn(timers, config["repeats"] + 1).items()}
    return [_result(size, count, rates) for count in config["num_envs"]]


def _chosen(config: dict[str, Any]) -> list[str]:
    """The sizes asked for; an error if one is unknown or the real maze cannot be run."""
    for size in config["sizes"]:
        if size not in SIZES:
            raise UsageError(f"sizes must be some of {', '.join(SIZES)}, but got {size!r}; name some.")
    if config["package"]:
        check_versions()
    return list(config["sizes"])


def _real_stepper(size: str, is_shipped: bool, seed: int) -> Callable[[], object]:
    """A function that steps the package's environment once."""
    from engram.envs.memory_maze.real import RealMemoryMaze
    from engram.envs.memory_maze.real.package import load_tasks
    from engram.envs.memory_maze.real.touch import shipped_touch

    load_tasks()
    env = RealMemoryMaze(size)
    with shipped_touch(sys.modules["memory_maze.maze"]) if is_shipped else nullcontext():
        env.reset(seed=seed % 2**31)
    actions = np.random.default_rng(seed).integers(6, size=_ACTIONS)
    place = iter(range(1 << 62))

    def step() -> None:
        if env.step(actions[next(place) % _ACTIONS])[3]:
            env.reset()

    return step


def _result(size: str, count: int, rates: dict[str, list[float]]) -> Result:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best, real = rates.get(f"captured {count}") or rates[f"native {count}"], rates.get("real")
    return Result(
        size=size,
        num_envs=count,
        native=medians[f"native {count}"],
        blind=medians[f"blind {count}"],
        captured=medians.get(f"captured {count}"),
        real=medians.get("real"),
        real_fast=medians.get("real fast"),
        ratio=statistics.median(o / t for o, t in zip(best, real, strict=True)) if real else None,
    )


def _line(result: Result) -> str:
    """A line of the table."""
    values = (result.native, result.blind, result.captured, result.real, result.real_fast, result.ratio)
    cells = ("" if value is None else f"{value:,.0f}" for value in values)
    return f"{result.size:<8}{result.num_envs:>8}" + "".join(f"{cell:>14}" for cell in cells)
