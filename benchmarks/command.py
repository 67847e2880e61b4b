"""Measure speed: `python -m engram.benchmarks envs`, or another of `BENCHMARKS`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from hydra.core.config_store import ConfigStore

from engram.benchmarks.document import write_document
from engram.command_line.config import compose_config, compose_plain
from engram.command_line.flags import HELP, answer
from engram.command_line.help import (
    NODES,
    argument_docs,
    choice_lines,
    group_lines,
    option_lines,
    usage,
)
from engram.common.errors import UsageError
from engram.common.say import say
from engram.run_files.outputs import check_writable_file
from engram.scripts.faults.errors import run
from engram.training.building import check_device
from engram.training.faults import usage_errors

BENCHMARKS = (
    "all",
    "cores",
    "dense",
    "envs",
    "matrix",
    "memory_maze",
    "player",
    "ppo",
    "replay",
    "scan",
    "soak",
    "statistics",
    "updates",
    "world_model",
)


def main(words: Sequence[str]) -> None:
    """Run the benchmark named by the first word with the options after it; write a JSON file if asked to.

    The file holds the options, the versions, the load of the machine before and after, and what was measured.
    """
    if not words or words[0] in HELP:
        say(f"usage: python -m engram.benchmarks {{{','.join(BENCHMARKS)}}} [--help] [key=value] …")
        return
    name, words = words[0], words[1:]
    benchmark = load(name)
    if any(word in HELP for word in words):
        say(*help_lines(name, [word for word in words if "=" in word]))
        return
    if (text := answer(config_name(name), words)) is not None:
        say(*text.split("\n"))
        return
    options = make_options(name, words)
    device = getattr(options, "device", "cpu")
    with usage_errors():
        check_device(device)
        if options.output:
            check_writable_file("output", Path(options.output))
        torch.set_num_threads(options.threads)
    before = os.getloadavg()[0]
    measured = benchmark.measure(options)
    say(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")
    if options.output:
        write_document(options, measured, before)
        say(f"written: {options.output}", file=sys.stderr)


def config_name(name: str) -> str:
    """What the options of a benchmark are called where Hydra composes them: as a user names the command."""
    return f"benchmark {name}"


def load(name: str) -> ModuleType:
    """Import a benchmark, and let Hydra know its options: the fields and defaults of the class `Options`.

    Raises:
        UsageError: if there is none of this name.
    """
    if name not in BENCHMARKS:
        raise UsageError(
            f"A benchmark is one of {', '.join(BENCHMARKS)}, but got {name!r}; name one of these."
        )
    benchmark = importlib.import_module(f"engram.benchmarks.{name}")
    defaults = {one.name: one.default for one in fields(benchmark.Options) if one.default is not MISSING}
    groups = getattr(benchmark, "GROUPS", {})
    ConfigStore.instance().store(name=config_name(name), node=groups | defaults)
    return benchmark


def make_options(name: str, words: Sequence[str]) -> Any:
    """Read a benchmark's options.

    Args:
        name: of the benchmark.
        words: `key=value`.

    Returns:
        Its `Options`.

    Raises:
        UsageError: names the first option that is wrong.
    """
    with usage_errors():
        return load(name).Options(**compose_config(config_name(name), words).values)


def help_lines(name: str, words: Sequence[str]) -> list[str]:
    """Say what a benchmark measures, and every option with its value and what it means.

    Args:
        name: of the benchmark.
        words: `key=value`, put over the defaults.
    """
    benchmark = load(name)
    classes = benchmark.Options.__mro__
    documented = {key: text for one in reversed(classes) for key, text in argument_docs(one).items()}
    composed = compose_plain(config_name(name), words)
    about = [usage(config_name(name)), "", *str(benchmark.__doc__).splitlines(), ""]
    own = {key: value for key, value in composed.values.items() if key not in NODES}
    groups = [group for group in NODES if group in composed.values]
    choices = choice_lines() if groups else []
    chosen = [line for group in groups for line in ("", *group_lines(group, composed))]
    return [*about, *choices, *option_lines(own, "", documented), *chosen]


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)
