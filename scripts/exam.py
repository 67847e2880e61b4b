"""Examine world models' memories: `engram exam core=mlp,gru,s5 seed=0..2`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engram.api.exam_run import PlayedEpisodes, run_exam, stored_result
from engram.api.examining import Exam
from engram.command_line.flags import answer
from engram.common.errors import UsageError
from engram.common.say import say
from engram.common.shell import command_line
from engram.instruments.exam.report import write_report
from engram.instruments.exam.table import table_lines
from engram.instruments.exam.task import ABILITIES
from engram.run_files.outputs import check_writable
from engram.run_files.plain_files import check_plain
from engram.run_files.run_lock import folder_lock, is_locked
from engram.scripts.exams.plan import ExamPlan, make_plan
from engram.scripts.faults.errors import run
from engram.training.faults import usage_errors
from engram.training.stop_request import StopRequest

_NOTICE = "stopping: what is learnt is saved first; a second signal ends at once"


def main(words: Sequence[str]) -> None:
    """Sit all exams that have no result yet, and write the table of all of the folder's that were asked for.

    Raises:
        StoppedError: if a signal asked it to stop; nothing is lost.
    """
    if (text := answer("exam", words)) is not None:
        say(*text.split("\n"))
        return
    with usage_errors():
        plan = make_plan(words)
        check_writable("output", plan.output)
        check_plain(plan.output)
        plan.output.mkdir(parents=True, exist_ok=True)
    stop, played = StopRequest(_NOTICE), PlayedEpisodes()
    results: list[dict[str, Any]] = []
    diverged: list[str] = []
    with stop:
        for number, trial in enumerate(plan.trials, 1):
            said = f"{number} of {len(plan.trials)}  {trial.folder}"
            try:
                result = _result(Exam.of(trial.words), plan.folder(trial), played, stop)
            except FloatingPointError as error:  # the others are examined all the same
                diverged.append(f"{trial.folder}: {error}")
                say(f"{said}  diverged: {error}", file=sys.stderr)
                continue
            if stop.is_asked():
                say(f"stopped; it goes on with: {command_line('exam', words)}", file=sys.stderr)
                raise stop.error()
            say(f"{said}  {_said(result)}", file=sys.stderr)
            results += [] if result is None else [result]
    if results:
        _conclude(plan, results)
    elif not diverged:
        raise UsageError(
            f"A table needs a result, but other commands run all exams that were asked for in {plan.output}; wait for "
            "them, and give the command again."
        )
    if diverged:
        raise FloatingPointError(f"{len(diverged)} of {len(plan.trials)} exams diverged, first {diverged[0]}")


def _result(exam: Exam, folder: Path, played: PlayedEpisodes, stop: StopRequest) -> dict[str, Any] | None:
    """An exam's result, stored or new; None if it was stopped, or another command has it in hand."""
    with usage_errors():
        stored = stored_result(exam, folder)
        if stored is not None:
            return stored
        folder.mkdir(parents=True, exist_ok=True)
        if is_locked(folder):
            return None
    with ExitStack() as held:
        with usage_errors():
            held.enter_context(folder_lock(folder))
        return run_exam(exam, folder, played, stop.is_asked)


def _said(result: dict[str, Any] | None) -> str:
    if result is None:
        return "another command has it in hand"
    scores = result["scores"]
    parts = [f"{name} {scores[name]['value']:.2f}" for name in ABILITIES if name in scores]
    return f"{'  '.join(parts)}  ({result['seconds']:.0f} s)"


def _conclude(plan: ExamPlan, results: list[dict[str, Any]]) -> None:
    """Print the table, and write the page."""
    say(*table_lines(results))
    missing = len(plan.trials) - len(results)
    if missing:
        say(f"{missing} of {len(plan.trials)} exams have no result yet", file=sys.stderr)
    page, *_ = write_report(plan.output, results)
    say(f"page: {page}")


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
