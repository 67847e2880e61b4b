"""Compare runs: `engram plot runs=runs output=report`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from engram.api.comparison import compare_runs
from engram.command_line.flags import answer
from engram.common.say import say
from engram.scripts.faults.errors import run
from engram.scripts.output.tables import print_table


def main(words: Sequence[str]) -> None:
    """Read runs, compare them, and write the report."""
    if (text := answer("plot", words)) is not None:
        say(*text.split("\n"))
        return
    for path in compare_runs(words, _print).files:
        say(path)


def _print(document: dict[str, Any]) -> None:
    """Print the table of every task, then what was skipped and what limits the comparison."""
    columns = ["seeds", "MMER", "low", "high", "area", "evaluation", "parameters", "carry bytes"]
    for task in document["tasks"]:
        lines = {}
        for row in document["table"]:
            if row["task"] == task["name"]:
                mmer, area, last = row["mmer"], row["area"], row["final_evaluation"]
                best = [mmer and mmer[key] for key in ("value", "low", "high")]
                lines[row["group"]] = [
                    row["seeds"],
                    *best,
                    area and area["value"],
                    last and last["value"],
                    row["parameters"],
                    row["carry_bytes"],
                ]
        metric = document["settings"]["label"]
        print_table(f"{task['name']}: {metric}, up to {task['end']:,.0f} environment steps", columns, lines)
    say()
    for one in document["skipped"]:
        say(f"skipped: {one['name']}: {one['reason']}")
    for note in document["notes"]:
        say(f"note: {note}")


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
