"""Evaluate a trained agent: `engram evaluate run=runs/<env>/<agent>-<core>/<seed>-<time>`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engram.api.evaluation import evaluate_run
from engram.command_line.flags import answer
from engram.common.say import say
from engram.scripts.faults.errors import run


def main(words: Sequence[str]) -> None:
    """Play episodes with a run's agent; print and store mean ± standard error."""
    if (text := answer("evaluate", words)) is not None:
        say(*text.split("\n"))
        return
    evaluate_run(words, tell=say)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
