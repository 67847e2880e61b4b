"""Every core beside each other, from archives: `engram leaderboard`, `engram leaderboard submission=my_runs.zip`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engram.analysis.leaderboard.document import submitted_rows
from engram.analysis.leaderboard.words import score_parts
from engram.api.leaderboard import make_leaderboard
from engram.command_line.flags import answer
from engram.common.say import say
from engram.scripts.faults.errors import run


def main(words: Sequence[str]) -> None:
    """Read archives, check submissions, and write the leaderboard."""
    if (text := answer("leaderboard", words)) is not None:
        say(*text.split("\n"))
        return
    found = make_leaderboard(words)
    for place, name, cell, rows in submitted_rows(found.document):
        score = " ".join(filter(None, score_parts(cell)))
        seeds = len(cell["seeds"])
        several = "" if seeds == 1 else "s"
        say(f"{place}: {name} has rank {cell['rank']} of {rows}, score {score}, {seeds} seed{several}")
    for one in found.document["skipped"]:
        say(f"skipped: {one['name']}: {one['reason']}")
    for path in found.files:
        say(path)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
