"""The tasks that have an exam, by their names."""

from __future__ import annotations

from engram.common.errors import UsageError
from engram.envs.memory_maze.sizes import SIZES
from engram.instruments.exam.questions import RecallFirstExam, RecallPairsExam
from engram.instruments.exam.task import TaskExam
from engram.instruments.exam.turning import TurningExam

EXAMS: dict[str, type[TaskExam]] = {
    "diagnostic/recall_first": RecallFirstExam,
    "diagnostic/recall_pairs": RecallPairsExam,
    **{f"memory_maze/{size}": TurningExam for size in SIZES},
}
USUAL = ("diagnostic/recall_first", "diagnostic/recall_pairs", "memory_maze/tiny")


def exam_of(task: str) -> type[TaskExam]:
    """Find the exam of a task.

    Raises:
        UsageError: if it has none.
    """
    if task not in EXAMS:
        raise UsageError(
            f"An exam is set for the tasks {', '.join(EXAMS)}, but got env={task}; choose one of these."
        )
    return EXAMS[task]
