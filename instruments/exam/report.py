"""What exams leave on disk: a CSV, figures, one JSON and one page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engram.instruments.exam.table import Line, Result, csv_rows, make_lines
from engram.instruments.exam.tasks import EXAMS
from engram.instruments.finding import Draw, Finding
from engram.instruments.report import write_findings

VALUES = "results.json"


def write_report(folder: Path, results: Sequence[Result]) -> list[Path]:
    """Write the page of exams, its figures and its numbers into a folder.

    Args:
        folder: exists.
        results: of exams, one or more.

    Returns:
        The files, the page first.
    """
    lines = make_lines(results)
    asked = [result["asked"] for result in results]
    names = ("updates", "episodes", "held_out")
    about = {name: ", ".join(dict.fromkeys(str(one[name]) for one in asked)) for name in names}
    tasks = dict.fromkeys(line.task for line in lines)
    found = [_find(task, [line for line in lines if line.task == task]) for task in tasks]
    return write_findings(folder, "World-model memory exam", about, found, VALUES)


def _find(task: str, lines: Sequence[Line]) -> Finding:
    """One task's part of the page."""
    kind, name = EXAMS[task], task.rpartition("/")[2]
    sentences = [
        f"Played by: {kind.policy}. Dashed: what guessing is worth; orange: mlp, which has no memory."
    ]
    sentences += [f"{ability}: {meaning}." for ability, meaning in kind.meanings.items()]
    values: dict[str, Any] = {
        line.group: {
            "scores": {ability: cell._asdict() for ability, cell in line.cells.items()},
            "curve": line.curve,
            "loss": line.loss,
            "parameters": line.parameters,
            "seconds": line.seconds,
        }
        for line in lines
    }
    figures = {
        f"{name}.png": _drawing("draw_scores", lines),
        f"{name}_curve.png": _drawing("draw_curves", lines),
    }
    return Finding(name, task, sentences, csv_rows(lines), values, figures)


def _drawing(name: str, lines: Sequence[Line]) -> Draw:
    def draw(path: Path) -> Path:
        from engram.instruments.exam import figure  # Matplotlib takes a second to import.

        drawn: Path = getattr(figure, name)(path, lines)
        return drawn

    return partial(draw)
