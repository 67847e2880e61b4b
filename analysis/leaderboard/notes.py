"""What a reader must know of a board before believing it, in sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any


def board_notes(rows: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> list[str]:
    """Say where the rows of a board differ in what is not compared: budgets, ends before them, versions of the code.

    Args:
        rows: of the board.
        tasks: of the board.
    """
    notes = []
    for task in tasks:
        budgets: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for row in (row for row in rows if task in row["cells"]):
            budgets[tuple(row["cells"][task]["budgets"])].append(_name(row))
        if len(budgets) > 1:
            parts = [f"{_steps(steps)} ({_some(names)})" for steps, names in sorted(budgets.items())]
            notes.append(f"{task}: budgets differ, {', '.join(parts)} environment steps.")
        ended = [_name(row) for row in rows if row["cells"].get(task, {}).get("unfinished")]
        if ended:
            notes.append(f"{task}: ended before their budget was spent: {_some(ended)}.")
    commits = {commit for row in rows for commit in row["commits"]}
    if len(commits) > 1:
        notes.append(f"The runs come from {len(commits)} versions of the code.")
    return notes


def mean_rank_tasks(tasks: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Find the tasks of a board that ranks may be averaged over: those that all of its cores have runs on, if several.

    Returns:
        The tasks, and at most one sentence about what that leaves out.
    """
    shared = [task for task in tasks if all(task in row["cells"] for row in rows)]
    if len(tasks) == 1 or len(shared) == len(tasks):
        return shared if len(tasks) > 1 else [], []
    lacking = [_name(row) for row in rows if len(row["cells"]) < len(tasks)]
    verb = "has" if len(lacking) == 1 else "have"
    why = f"not all cores have runs on all of them: {_some(lacking)} {verb} not"
    if len(shared) < 2:
        return [], [f"No mean rank over the tasks, as {why}."]
    return shared, [f"The mean rank is over {' and '.join(shared)} alone, as {why}."]


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['name']} ({row['submitted']})" if row["submitted"] else str(row["name"])


def _some(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names) if len(names) < 7 else f"{', '.join(names[:6])} and {len(names) - 6} more"


def _steps(budgets: Sequence[int]) -> str:
    return " and ".join(f"{budget:,}" for budget in budgets)
