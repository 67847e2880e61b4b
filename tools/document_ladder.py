"""Write the table of cores by tasks into docs/environments.md: `python -m engram.tools.document_ladder`.

It is made of the scores of a finished sweep, which another command leaves where this one looks for them:
`engram plot runs=<sweep> output=docs/reports/core_ladder archive=true`.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from engram.common.errors import UsageError
from engram.common.say import say
from engram.envs.table import table_order
from engram.scripts.faults.errors import run
from engram.tools.document_cores import format_table, with_tables

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "environments.md"
SCORES = DOCS / "reports" / "core_ladder" / "scores.csv"
BEGIN, END = "<!-- table: python -m engram.tools.document_ladder -->", "<!-- end of table -->"
SOLVED = 0.95


def main(words: Sequence[str]) -> None:
    """Rewrite what lies between the markers; takes no options."""
    if words:
        raise UsageError(f"This command takes no options, but got {words[0]!r}; leave it out.")
    if not SCORES.exists():
        raise UsageError(
            f"The table is made of a sweep's scores, but {SCORES} does not exist; write them with engram plot "
            "runs=<sweep> output=docs/reports/core_ladder archive=true."
        )
    PAGE.write_text(with_tables(PAGE.read_text(), make_table(SCORES), BEGIN, END))
    say(f"written: {PAGE.name}", file=sys.stderr)


def make_table(scores: Path) -> str:
    """Make the table: a line for each group, the best first, and a column for each task.

    Args:
        scores: `scores.csv` of a comparison.

    Returns:
        Markdown. A cell is the mean over seeds of the highest training return and of the last evaluation's, bold where
        that is solved; the last column the longest time of a cell.
    """
    with scores.open(newline="") as file:
        runs = list(csv.DictReader(file))
    cells: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for one in runs:
        cells[one["group"]][one["task"]].append(one)
    tasks = sorted({one["task"] for one in runs}, key=table_order)
    order = sorted(cells, key=lambda group: (-_mean_asked(cells[group].values()), group))
    lines = [
        [
            f"`{group}`",
            *(_cell(cells[group].get(task, [])) for task in tasks),
            _minutes(cells[group]),
        ]
        for group in order
    ]
    return format_table(["core", *(f"`{task.partition('/')[2]}`" for task in tasks), "minutes"], lines)


def _mean_asked(cells: Iterable[Sequence[Mapping[str, str]]]) -> float:
    return statistics.fmean(float(one["final_evaluation"]) for runs in cells for one in runs)


def _cell(runs: Sequence[Mapping[str, str]]) -> str:
    if not runs:
        return ""
    trained, asked = (
        statistics.fmean(float(one[key]) for one in runs) for key in ("mmer", "final_evaluation")
    )
    text = f"{trained:.2f} / {asked:.2f}".replace("-", "\N{MINUS SIGN}")
    return f"**{text}**" if asked >= SOLVED else text


def _minutes(tasks: Mapping[str, Sequence[Mapping[str, str]]]) -> str:
    return f"{max(float(one['seconds']) for runs in tasks.values() for one in runs) / 60:.1f}"


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
