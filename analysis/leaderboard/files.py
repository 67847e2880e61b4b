"""What the leaderboard leaves on disk: the page, the document, the cells as CSV, and tables for the site."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engram.analysis.leaderboard.page import make_page
from engram.analysis.leaderboard.tables import make_tables
from engram.run_files.json_text import json_text
from engram.run_files.plain_files import replace_file

FILES = ("index.html", "leaderboard.json", "leaderboard.csv", "tables.md")


def write_leaderboard(folder: Path, document: Mapping[str, Any]) -> list[Path]:
    """Write the leaderboard into a folder, each file in one step.

    Args:
        folder: exists.
        document: of `make_document`, with `command` and `free`.

    Returns:
        The files.
    """
    texts = (make_page(document), json_text(document, indent=1) + "\n", _csv(document), make_tables(document))
    paths = [folder / name for name in FILES]
    for path, text in zip(paths, texts, strict=True):
        replace_file(path, text)
    return paths


def _csv(document: Mapping[str, Any]) -> str:
    """A line for every core on every task of every board."""
    table = io.StringIO()
    lines = [
        _line(board, row, task)
        for board in document["boards"]
        for row in board["rows"]
        for task in row["cells"]
    ]
    writer = csv.DictWriter(table, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return table.getvalue()


def _line(board: Mapping[str, Any], row: Mapping[str, Any], task: str) -> dict[str, Any]:
    cell = row["cells"][task]
    return {
        "board": board["title"],
        "agent": board["agent"],
        "task": task,
        "core": row["name"],
        "submitted": row["submitted"],
        "rank": cell["rank"],
        **{{"value": "score"}.get(name, name): value for name, value in cell["score"].items()},
        "seeds": len(cell["seeds"]),
        "env_steps": cell["env_steps"][1],
        "reached": cell["reached"],
        "steps_to_threshold": cell["steps_to_threshold"],
        "parameters": row["parameters"] and row["parameters"][1],
    }
