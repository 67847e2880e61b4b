"""Look into a trained agent's memory: `engram analyse run=runs/<env>/<agent>-<core>/<seed>-<time>`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engram.api.analysing import analyse_run
from engram.command_line.flags import answer
from engram.common.say import say
from engram.scripts.faults.errors import run


def main(words: Sequence[str]) -> None:
    """Look at a run's agent with instruments; print and store what they find."""
    if (text := answer("analyse", words)) is not None:
        say(*text.split("\n"))
        return
    analyse_run(words, tell=say)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
