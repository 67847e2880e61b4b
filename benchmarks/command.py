"""Measure speed: `python -m engram.benchmarks envs`, or another of `BENCHMARKS`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.say import say
from engram.run_files.json_text import json_text
from engram.scripts.command_line.config import compose_config
from engram.scripts.command_line.flags import HELP, answer
from engram.scripts.faults.errors import run, usage_errors
from engram.scripts.faults.outputs import check_writable_file
from engram.training.building import check_device
from engram.training.new_run import versions

BENCHMARKS = ("cores", "envs", "memory_maze", "ppo", "replay", "scan", "soak", "statistics", "world_model")


def main(words: Sequence[str]) -> None:
    """Run the benchmark named by the first word with the options after it; write a JSON file if asked to.

    The file holds the options, the versions, the load of the machine before and after, and what was measured.
    """
    if not words or words[0] in HELP:
        say(f"usage: python -m engram.benchmarks {{{','.join(BENCHMARKS)}}} [--help] [key=value] …")
        return
    name, options = words[0], words[1:]
    if name not in BENCHMARKS:
        raise UsageError(
            f"A benchmark is one of {', '.join(BENCHMARKS)}, but got {name!r}; name one of these."
        )
    if (text := answer(f"benchmark_{name}", options)) is not None:
        say(*text.split("\n"))
        return
    benchmark = importlib.import_module(f"engram.benchmarks.{name}")
    config = read_options(name, options, benchmark.Options)
    before = os.getloadavg()[0]
    measured = benchmark.measure(config)
    load = [before, os.getloadavg()[0]]
    say(f"load average before and after: {load[0]:.1f}, {load[1]:.1f}")
    if config["output"]:
        document = {"config": config, "versions": versions(config.get("device", "cpu")), "load_average": load}
        Path(config["output"]).write_text(json_text(document | measured, indent=1) + "\n")
        say(f"written: {config['output']}", file=sys.stderr)


def read_options(name: str, words: Sequence[str], options: type) -> dict[str, Any]:
    """Read and check a benchmark's options; torch gets the threads asked for.

    Args:
        name: of the benchmark.
        words: `key=value`.
        options: the class that lists them.

    Raises:
        UsageError: names the first option that is wrong.
    """
    with usage_errors():
        config = compose_config(f"benchmark_{name}", words).values
        config = check_options(config, options)
        check_device(config.get("device", "cpu"))
        if config["output"]:
            check_writable_file("output", Path(config["output"]))
        torch.set_num_threads(config["threads"])
    return config


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)
