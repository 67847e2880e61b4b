"""Speed of the native environments beside the package's in Gymnasium's SyncVectorEnv.

Rows are counted, those that begin an episode included on both sides; actions are random and drawn before. What is
compared is measured in turn in one process, so that a machine whose speed drifts slows both alike.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium
import torch

from engram import envs
from engram.benchmarks.env_timing import (
    ACTIONS,
    SteppingOptions,
    Timers,
    captured_timer,
    compare,
    peer_timer,
    step_timer,
)
from engram.benchmarks.options import Counts, Names, chosen
from engram.benchmarks.timing import medians
from engram.common.checked import settings
from engram.common.option_types import Count, Positive
from engram.common.say import say
from engram.envs.make import make_gymnasium
from engram.envs.task import PackageVersion

COLUMNS = {
    "env": ("env", 40, ""),
    "num_envs": ("B", 8, ""),
    "native": ("native", 14, ",.0f"),
    "captured": ("captured", 14, ",.0f"),
    "package": ("package", 12, ",.0f"),
    "ratio": ("ratio", 8, ".0f"),
}


@settings()
class Options(SteppingOptions):
    """Options of this benchmark.

    Args:
        envs: all, or a list, such as [popgym/repeat_first_easy,diagnostic/recall_first].
        package_envs: environments of the package, stepped one after the other on one core.
    """

    envs: Names = "all"
    num_envs: Counts = (1024, 16384)
    seconds: Positive = 0.2
    repeats: Count = 3
    package_envs: Count = 16


def measure(options: Options) -> dict[str, Any]:
    """Print rows per second of every native task beside the package's; returns them and the median ratios."""
    names = chosen("envs", options.envs, native_makers())
    results = compare(names, partial(make_timers, options=options), COLUMNS, "package", options)
    ratios = _median_ratios(results)
    for num_envs, ratio in ratios.items():
        say(f"median ratio at {num_envs} environments: {ratio:.0f}")
    return {"median_ratios": ratios, "results": results}


def native_makers() -> dict[str, Callable[..., envs.NativeVectorEnv]]:
    """Return what makes every native task, by its short name; families with free parameters and variants apart."""
    general = {task.general for task in envs.TASKS.values()}
    return {name: task.make_native for name, task in envs.TASKS.items() if task.ids and name not in general}


def make_timers(name: str, options: Options) -> Timers:
    """Make what is measured of one task, a key of `native_makers()`."""
    device = torch.device(options.device)
    timers: Timers = {}
    for count in options.num_envs:
        env = native_makers()[name](num_envs=count, device=device)
        timers["native", count] = step_timer(env, options)
        if device.type == "cuda":
            timers["captured", count] = captured_timer(env, options)
    package = envs.TASKS[name].package
    if options.package and package is not None and _can_be_stepped(package):
        timers["package", None] = _package_timer(package.id, options)
    return timers


def _can_be_stepped(package: PackageVersion) -> bool:
    """Whether it is installed, and its environments need no processes of their own, as Memory Maze's do."""
    is_there = all(importlib.util.find_spec(name) for name in package.needs)
    return is_there and package.options.get("vectorization") != "async"


def _package_timer(id: str, options: Options) -> Callable[[], float]:
    count, seed = options.package_envs, options.seed % 2**31
    vector: Any = gymnasium.vector.SyncVectorEnv([partial(make_gymnasium, id)] * count)
    vector.reset(seed=seed)
    vector.action_space.seed(seed)
    return peer_timer(vector.step, [vector.action_space.sample() for _ in range(ACTIONS)], count, options)


def _median_ratios(results: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """The median ratio by number of environments, of those that have one."""
    with_peer = [one for one in results if one["ratio"] is not None]
    counts = dict.fromkeys(one["num_envs"] for one in with_peer)
    return medians({n: [one["ratio"] for one in with_peer if one["num_envs"] == n] for n in counts})
