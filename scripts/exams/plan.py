"""From the command line of `engram exam` to its exams, checked before anything is learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.api.examining import Exam
from engram.command_line.axes import split_words
from engram.command_line.config import compose_config
from engram.command_line.options import ExamOptions
from engram.command_line.words import normal
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.instruments.exam.tasks import USUAL
from engram.scripts.sweeps.grid import NAMING_AXES, Trial, make_trials

_ONE_FOR_ALL = ("output", "device", "threads", "allow", "trust_edited")


@dataclass(frozen=True)
class ExamPlan:
    """What is to be examined.

    Attributes:
        trials: one for each exam.
        output: folder of the results.
    """

    trials: list[Trial]
    output: Path

    def folder(self, trial: Trial) -> Path:
        """Where an exam's result goes."""
        return self.output / trial.folder


def make_plan(words: Sequence[str]) -> ExamPlan:
    """Read the command line.

    Args:
        words: `key=value`, several values making an axis.

    Raises:
        UsageError: one sentence about a wrong option.
        ValueError: for a value that cannot work.
    """
    given, axes = split_words(words)
    for key in axes:
        if key in _ONE_FOR_ALL:
            raise UsageError(
                f"All exams of a command share {key}, but got several values for it; give it one."
            )
    first = {**given, **{key: values[0] for key, values in axes.items()}}
    base = compose_config("exam", _words(first))
    values = check_options(base.values, ExamOptions)
    named: Mapping[str, Any] = {**base.choices, "seed": str(values["seed"])}
    usual = {key: list(USUAL) if key == "env" else [named[key]] for key in NAMING_AXES}
    alone = {key: [normal(given.pop(key))] for key in NAMING_AXES if key in given}
    trials = make_trials({**usual, **alone, **axes}, {k: normal(value) for k, value in given.items()}, [])
    _check(trials)
    order = {task: place for place, task in enumerate(dict.fromkeys(trial.values["env"] for trial in trials))}
    # One task after the other, so that its episodes are played once for all cores; of all, the first seed first.
    trials.sort(key=lambda trial: (int(trial.values["seed"]), order[trial.values["env"]]))
    return ExamPlan(trials, Path(values["output"]))


def _words(options: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in options.items()]


def _check(trials: Sequence[Trial]) -> None:
    """Build an agent for every value of every axis, so that a wrong one stops nothing later."""
    seen: set[tuple[str, str]] = set()
    for trial in trials:
        parts = {pair for pair in trial.values.items() if pair[0] != "seed"}
        if not parts <= seen:
            Exam.of(trial.words).build()
        seen |= parts
