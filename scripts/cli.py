"""The `engram` command: `engram train …` is `python -m engram.scripts.train …`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence

from engram.common.say import say
from engram.scripts.launch import keep_large_blocks

COMMANDS = (
    "train",
    "evaluate",
    "sweep",
    "tune",
    "plot",
    "leaderboard",
    "analyse",
    "exam",
    "export",
    "push",
    "pull",
    "buildable",
    "benchmark",
)


def main() -> int:
    """Run the command named by the first word with the words after it."""
    words = sys.argv[1:]
    if not words or words[0] not in COMMANDS:
        say(f"usage: engram {{{','.join(COMMANDS)}}} [--help] [key=value] …", file=sys.stderr)
        return 0 if words[:1] in (["--help"], ["-h"]) else 2
    keep_large_blocks()
    command = _command(words[0])
    if names_own_code(words[1:]):
        # As `python -m` sees it, but behind everything installed: nothing there takes the place of a library.
        sys.path.append(os.getcwd())
    return command(words[1:])


def _command(name: str) -> Callable[[Sequence[str]], int]:
    """The entry point of a command. Benchmarks come with a clone alone."""
    if name != "benchmark":
        found: Callable[[Sequence[str]], int] = importlib.import_module(f"engram.scripts.{name}").command
        return found
    if importlib.util.find_spec("engram.benchmarks") is None:
        return _refuse_benchmark
    return importlib.import_module("engram.benchmarks.command").command


def _refuse_benchmark(words: Sequence[str]) -> int:
    say(
        "error: Benchmarks come with a clone of the repository, but this is the installed package, which has none; "
        "clone it and say make setup.",
        file=sys.stderr,
    )
    return 2


def names_own_code(words: Sequence[str]) -> bool:
    """Whether a command names code of the user's own: by `allow=[my_package]`, or by an `env.id=my_module:id`."""
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        if key == "allow" and value.strip("[] ") not in ("", "null"):
            return True
        if key == "env.id" and ":" in value:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
