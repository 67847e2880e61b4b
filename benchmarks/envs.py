"""Speed of the native environments beside the package's in Gymnasium's SyncVectorEnv.

Rows are counted, those that begin an episode included on both sides; actions are random and drawn before. What is
compared is measured in turn in one process, so that a machine whose speed drifts slows both alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import gymnasium
import torch

from engram import envs
from engram.benchmarks.env_timing import captured_rollout, random_actions, rate, stepper
from engram.benchmarks.options import BenchmarkOptions, Counts, Names
from engram.benchmarks.timing import in_turn
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Positive, Seed, Word
from engram.common.say import say
from engram.envs.make import make_gymnasium
from engram.scripts.faults.errors import usage_errors


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_envs.yaml` says what they are for."""

    device: Word = "cpu"
    envs: Names = "all"
    num_envs: Counts = (1024, 16384)
    package: bool = True
    package_envs: Count = 16
    seconds: Positive = 0.2
    repeats: Count = 3
    captured_steps: Count = 16
    seed: Seed = 0


# Steps whose actions are drawn before; then they come again.
_ACTIONS = 64


@dataclass(frozen=True)
class Result:
    """Rows per second of one task; medians.

    Attributes:
        env: its name.
        num_envs: of the native version.
        native: rows per second, step by step.
        captured: rows per second of whole rollouts as a CUDA graph; None on a CPU.
        package: rows per second of the package's version; None if there is none, or it was not asked for.
        ratio: of the faster native one to the package's.
    """

    env: str
    num_envs: int
    native: float
    captured: float | None
    package: float | None
    ratio: float | None


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print rows per second of every native task beside the package's; returns them and the median ratios."""
    with usage_errors():
        names = _chosen(config["envs"])
    results = []
    say("{:<40}{:>8}{:>14}{:>14}{:>12}{:>8}".format("env", "B", "native", "captured", "package", "ratio"))
    for name in names:
        for result in benchmark_env(name, config):
            say(_line(result), flush=True)
            results.append(result)
    medians = _medians(results)
    for num_envs, ratio in medians.items():
        say(f"median ratio at {num_envs} environments: {ratio:.0f}")
    return {"median_ratios": medians, "results": [asdict(result) for result in results]}


def native_makers() -> dict[str, Callable[..., envs.NativeVectorEnv]]:
    """Return what makes every native task, by its short name; families with free parameters and variants apart."""
    general = {task.general for task in envs.TASKS.values()}
    return {name: task.make_native for name, task in envs.TASKS.items() if task.ids and name not in general}


def benchmark_env(name: str, config: dict[str, Any]) -> list[Result]:
    """Measure one task.

    Args:
        name: a key of `native_makers()`.
        config: as in the YAML.

    Returns:
        One result for each number of environments.
    """
    device = torch.device(config["device"])
    timers: dict[str, Callable[[], float]] = {}
    for num_envs in config["num_envs"]:
        env = native_makers()[name](num_envs=num_envs, device=device)
        actions = random_actions(env, _ACTIONS, config["seed"])
        env.reset(config["seed"])
        timers[f"native {num_envs}"] = partial(
            rate, stepper(env, actions), num_envs, config["seconds"], device
        )
        if device.type == "cuda":
            rows = num_envs * config["captured_steps"]
            timers[f"captured {num_envs}"] = partial(
                rate,
                captured_rollout(env, actions, config["captured_steps"], config["seed"]),
                rows,
                config["seconds"],
                device,
            )
    package = envs.TASKS[name].package
    if config["package"] and package is not None and package.spec is None:
        timers["package"] = partial(
            rate, *_package(package.id, config), config["seconds"], torch.device("cpu")
        )
    rates = {key: values[1:] for key, values in in_turn(timers, config["repeats"] + 1).items()}
    return [_result(name, num_envs, rates) for num_envs in config["num_envs"]]


def _chosen(names: str | list[str]) -> list[str]:
    """The names asked for; UsageError if one is unknown."""
    makers = native_makers()
    if isinstance(names, str):
        return list(makers)
    for name in names:
        if name not in makers:
            raise UsageError(
                f"envs must be all, or some of {', '.join(makers)}, but got {name!r}; name some."
            )
    return names


def _package(id: str, config: dict[str, Any]) -> tuple[Callable[[], object], int]:
    """A function that steps the package's version once, and how many rows that gives."""
    count = config["package_envs"]
    vector: Any = gymnasium.vector.SyncVectorEnv([partial(make_gymnasium, id)] * count)
    vector.reset(seed=config["seed"] % 2**31)
    vector.action_space.seed(config["seed"] % 2**31)
    batches = [vector.action_space.sample() for _ in range(_ACTIONS)]
    place = iter(range(1 << 62))
    return lambda: vector.step(batches[next(place) % _ACTIONS]), count


def _result(name: str, num_envs: int, rates: dict[str, list[float]]) -> Result:
    native, captured = rates[f"native {num_envs}"], rates.get(f"captured {num_envs}")
    package, best = rates.get("package"), captured or native
    ratios = package and [ours / theirs for ours, theirs in zip(best, package, strict=True)]
    return Result(
        env=name,
        num_envs=num_envs,
        native=statistics.median(native),
        captured=statistics.median(captured) if captured else None,
        package=statistics.median(package) if package else None,
        ratio=statistics.median(ratios) if ratios else None,
    )


def _medians(results: Sequence[Result]) -> dict[int, float]:
    """The median ratio by number of environments, of those that have one."""
    ratios: dict[int, list[float]] = {}
    for result in results:
        if result.ratio is not None:
            ratios.setdefault(result.num_envs, []).append(result.ratio)
    return {num_envs: statistics.median(values) for num_envs, values in ratios.items()}


def _line(result: Result) -> str:
    """A line of the table."""
    captured = f"{result.captured:,.0f}" if result.captured else ""
    package = f"{result.package:,.0f}" if result.package else ""
    ratio = f"{result.ratio:.0f}" if result.ratio else ""
    return f"{result.env:<40}{result.num_envs:>8}{result.native:>14,.0f}{captured:>14}{package:>12}{ratio:>8}"
