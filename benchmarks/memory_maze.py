"""Speed of the native Memory Maze beside the real one: rows per second, each with its picture.

The real one is stepped in this process, as its package ships it and with the faster test of touch. Actions are
random and drawn before. All are measured in turn in one process, so that a machine whose speed drifts slows all alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch

from engram.benchmarks.env_timing import (
    ACTIONS,
    SteppingOptions,
    Timers,
    captured_timer,
    compare,
    peer_timer,
    step_timer,
)
from engram.benchmarks.options import Names, chosen
from engram.common.checked import settings
from engram.common.option_types import Count
from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.memory_maze.real.versions import check_versions
from engram.envs.memory_maze.sizes import SIZES
from engram.training.faults import usage_errors

# `blind` is without the picture: what the rules, the motion and the driver take.
COLUMNS = {
    "size": ("size", 8, ""),
    "num_envs": ("B", 8, ""),
    "native": ("native", 14, ",.0f"),
    "blind": ("no picture", 14, ",.0f"),
    "captured": ("captured", 14, ",.0f"),
    "real": ("real", 14, ",.0f"),
    "real_fast": ("real, fast", 14, ",.0f"),
    "ratio": ("ratio", 14, ",.0f"),
}
KINDS: dict[str, dict[str, Any]] = {"native": {}, "blind": {"camera": False, "global_observables": True}}


@settings()
class Options(SteppingOptions):
    """Options of this benchmark.

    Args:
        sizes: all, or some of tiny, 9x9, 11x11, 13x13, 15x15.
        num_layouts: mazes drawn before.
    """

    threads: Count = 2
    sizes: Names = ("9x9",)
    num_layouts: Count = 2048


def measure(options: Options) -> dict[str, Any]:
    """Print rows per second of every size; returns them."""
    sizes = chosen("sizes", options.sizes, SIZES)
    if options.package:
        with usage_errors():
            check_versions()
    return {"results": compare(sizes, partial(make_timers, options=options), COLUMNS, "real", options)}


def make_timers(size: str, options: Options) -> Timers:
    """Make what is measured of one size."""
    device = torch.device(options.device)
    timers: Timers = {}
    for count in options.num_envs:
        for kind, more in KINDS.items():
            env = MemoryMaze(count, size, device, num_layouts=options.num_layouts, **more)
            timers[kind, count] = step_timer(env, options)
            if device.type == "cuda" and kind == "native":
                timers["captured", count] = captured_timer(env, options)
    if options.package and size != "tiny":  # which the package does not have
        for kind, is_shipped in {"real": True, "real_fast": False}.items():
            timers[kind, None] = _real_timer(size, is_shipped, options)
    return timers


def _real_timer(size: str, is_shipped: bool, options: Options) -> Callable[[], float]:
    from engram.envs.memory_maze.real import RealMemoryMaze
    from engram.envs.memory_maze.real.package import load_tasks
    from engram.envs.memory_maze.real.touch import shipped_touch

    load_tasks()
    env = RealMemoryMaze(size)
    with shipped_touch(sys.modules["memory_maze.maze"]) if is_shipped else nullcontext():
        env.reset(seed=options.seed % 2**31)

    def step(action: Any) -> None:
        if env.step(action)[3]:
            env.reset()

    return peer_timer(step, np.random.default_rng(options.seed).integers(6, size=ACTIONS), 1, options)
