"""Take an agent that somebody shares: `engram pull from=hf://<owner>/<name> to=pulled/<name>`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engram.api.pulling import pull_agent
from engram.command_line.flags import answer
from engram.common.say import say
from engram.scripts.faults.errors import run


def main(words: Sequence[str]) -> None:
    """Copy an agent's files from a folder or the hub, and hold them against the rules of stored runs."""
    if (text := answer("pull", words)) is not None:
        say(*text.split("\n"))
        return
    pull_agent(words, tell=say)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
