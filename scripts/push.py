"""Share a trained agent: `engram push run=runs/<env>/<agent>-<core>/<seed>-<time> to=shared/<name>`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engram.api.pushing import push_run
from engram.command_line.flags import answer
from engram.common.say import say
from engram.scripts.faults.errors import run


def main(words: Sequence[str]) -> None:
    """Evaluate a run's agent, and put it with its card into a folder or at the hub."""
    if (text := answer("push", words)) is not None:
        say(*text.split("\n"))
        return
    push_run(words, tell=say)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
