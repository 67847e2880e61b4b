"""The tasks that have an exam, by their names."""

from __future__ import annotations

from engram.common.errors import UsageError
from engram.envs.memory_maze.sizes import SIZES
from engram.instruments.exam.paper import Paper
from engram.instruments.exam.questions import RecallFirstPaper, RecallPairsPaper
from engram.instruments.exam.turning import TurningPaper

PAPERS: dict[str, type[Paper]] = {
    "diagnostic/recall_first": RecallFirstPaper,
    "diagnostic/recall_pairs": RecallPairsPaper,
    **{f"memory_maze/{size}": TurningPaper for size in SIZES},
}
USUAL = ("diagnostic/recall_first", "diagnostic/recall_pairs", "memory_maze/tiny")


def paper_of(task: str) -> type[Paper]:
    """Find the exam of a task.

    Raises:
        UsageError: if it has none.
    """
    if task not in PAPERS:
        raise UsageError(
            f"An exam is set for the tasks {', '.join(PAPERS)}, but got env={task}; choose one of these."
        )
    return PAPERS[task]
