"""Measure speed: `python -m scripts.benchmark envs`, or another of `BENCHMARKS`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from scripts.errors import UsageError, run

BENCHMARKS = ("cores", "envs", "memory_maze", "ppo", "replay", "scan", "statistics", "world_model")


def main(words: Sequence[str]) -> None:
    """Run the benchmark named by the first word with the options after it."""
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: python -m scripts.benchmark {{{','.join(BENCHMARKS)}}} [--help] [key=value] …")
        return
    if words[0] not in BENCHMARKS:
        raise UsageError(
            f"A benchmark is one of {', '.join(BENCHMARKS)}, but got {words[0]!r}; name one of these."
        )
    importlib.import_module(f"scripts.benchmark_{words[0]}").main(words[1:])


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
