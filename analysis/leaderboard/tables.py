"""The leaderboard as Markdown, for the site and for whoever reads the repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engram.analysis.leaderboard.words import (
    NONE,
    heading,
    method,
    own_options,
    score_parts,
    span,
    threshold_steps,
)

_BEGIN = """# Leaderboard: the tables

Written by `engram leaderboard` from the archives; [what it is, and how to submit a core](../leaderboard.md),
[as a page with filters](index.html), [as JSON](leaderboard.json), [as CSV](leaderboard.csv).
"""


def make_tables(document: Mapping[str, Any]) -> str:
    """Write the leaderboard as a page of Markdown.

    Args:
        document: of `make_document`.
    """
    tasks = {task["name"]: task for task in document["tasks"]}
    lines = [_BEGIN]
    for board in document["boards"]:
        lines += [f"## {_plain(board['title'])}", ""]
        known = ", ".join(heading(tasks[task]) for task in board["tasks"])
        about = [f"{known}; from {', '.join(board['sources'])}.", *board["notes"]]
        lines += [_plain(" ".join(about)), "", *_table(board), ""]
    lines += ["## What is missing", "", "How many cores have runs, by any agent:", ""]
    lines += _rows(
        [["task", "cores"], *([_code(o["task"]), f"{o['cores']} of {o['of']}"] for o in document["coverage"])]
    )
    lines += ["", "## How to read it", "", *(f"- {sentence}" for sentence in method(document))]
    return "\n".join(lines) + "\n"


def _table(board: Mapping[str, Any]) -> list[str]:
    own = own_options(board["rows"])
    head = ["core", *(["mean rank"] if board["mean_rank"] else [])]
    for task in board["tasks"]:
        limit = board["thresholds"][task]
        rank = f"{_code(task)}: rank" if len(board["tasks"]) > 1 else "rank"
        head += [rank, "score", "seeds", "steps trained"]
        head += ["steps to threshold" if limit is None else f"steps to {limit:g}"]
    head += [*(key.rpartition(".")[2].replace("_", " ") for key in own), "parameters"]
    return _rows([head, *(_row(row, board, own) for row in board["rows"])])


def _row(row: Mapping[str, Any], board: Mapping[str, Any], own: Sequence[str]) -> list[str]:
    name = _code(row["name"]) + (", control" if row["control"] else "")
    cells = [f"{name}, submitted: {_code(row['submitted'])}" if row["submitted"] else name]
    cells += [f"{row['mean_rank']:g}"] if board["mean_rank"] else []
    for task in board["tasks"]:
        cell = row["cells"].get(task)
        if cell is None:
            cells += [NONE] * 5
            continue
        score = " ".join(filter(None, score_parts(cell)))
        cells += [str(cell["rank"]), score, str(len(cell["seeds"])), span(cell["env_steps"])]
        cells += [threshold_steps(cell, board["thresholds"][task])]
    return [*cells, *(_code(", ".join(row["own"].get(key, [NONE]))) for key in own), span(row["parameters"])]


def _rows(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rest)]


def _plain(text: str) -> str:
    """Text of others, in which nothing is Markdown or HTML."""
    return "".join(f"\\{letter}" if letter in "\\`*[]<>|#&" else letter for letter in text).replace(
        "_", r"\_"
    )


def _code(text: str) -> str:
    """Text of others as code within a table."""
    return f"`{text.replace('`', chr(39)).replace('|', '/')}`"
