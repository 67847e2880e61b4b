"""A search as a source of trials: configurations are drawn, run on seeds and environments, scored, and ended early."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engram.common.metric_names import evaluation_key
from engram.common.say import say
from engram.run_files.run_folder import read_config
from engram.scripts.faults.errors import EXIT_DIVERGED
from engram.scripts.sweeps.loop import FAILED, FINISHED, PRUNED, WAITING, TrialStatus, read_status
from engram.scripts.tuning.curves import read_curve, score_curve
from engram.scripts.tuning.plan import SearchPlan
from engram.scripts.tuning.study import RUNNING, Record, Study


@dataclass
class Configuration:
    """What is tried: its runs, and how far it is.

    Attributes:
        record: as the study knows it.
        runs: on every seed and environment.
        steps: evaluations reported.
        is_broken: a run of it failed, and not because it diverged; the next call tries it again.
        waiting: runs not yet started.
    """

    record: Record
    runs: list[TrialStatus]
    steps: int = 0
    is_broken: bool = False
    waiting: list[TrialStatus] = field(default_factory=list)


class Search:
    """Draws configurations, gives their runs, and tells the study what comes of them.

    Args:
        plan: of the search.
        study: what was tried before.
        statuses: gets the runs of every configuration that goes on or is drawn, in place.
        on_change: called whenever the study has changed.
    """

    def __init__(
        self, plan: SearchPlan, study: Study, statuses: list[TrialStatus], on_change: Callable[[], None]
    ) -> None:
        self._plan, self._study, self._statuses, self._on_change = plan, study, statuses, on_change
        records = study.records()
        self._count = len(records)
        self._open: list[Configuration] = []
        self._unwanted: list[TrialStatus] = []
        self._is_exhausted = False
        for record in records:
            if record.state == RUNNING:
                self._begin(record)

    def next(self) -> TrialStatus | None:
        """The next run: of a configuration that was begun, or else of a new one."""
        for configuration in self._open:
            if configuration.waiting:
                return configuration.waiting.pop(0)
        if self._count >= self._plan.search["trials"] or self._is_exhausted:
            return None
        record = self._study.draw()
        if record is None:
            self._is_exhausted = True
            say("every configuration that could be drawn was tried", file=sys.stderr)
            return None
        self._count += 1
        self._begin(record)
        self._on_change()
        return self.next()

    def is_over(self) -> bool:
        """Whether all configurations are told."""
        return not self._open and (self._is_exhausted or self._count >= self._plan.search["trials"])

    def ended(self, entry: TrialStatus) -> None:
        """Told of a run's end: its configuration goes on, is finished, or has failed."""
        configuration = next((one for one in self._open if any(entry is run for run in one.runs)), None)
        if configuration is None:
            return
        if entry.status == FAILED:
            configuration.is_broken = entry.exit_code != EXIT_DIVERGED
            self._drop(configuration)
            if not configuration.is_broken:
                self._study.tell(configuration.record.number, FAILED)
                self._on_change()
            return
        self._look(configuration)

    def unwanted(self) -> Sequence[TrialStatus]:
        """Report new evaluations; returns runs of configurations that are not worth more of them."""
        for configuration in list(self._open):
            self._look(configuration)
        return self._unwanted

    def _begin(self, record: Record) -> None:
        runs = [
            read_status(trial, self._plan.directory, self._plan.options["trust_edited"])
            for trial in self._plan.runs_of(record.values)
        ]
        waiting = [entry for entry in runs if entry.status == WAITING]
        configuration = Configuration(record, runs, record.steps, waiting=waiting)
        self._open.append(configuration)
        self._statuses += runs
        self._look(configuration)

    def _look(self, configuration: Configuration) -> None:
        """Tell the study what is new of a configuration.

        Evaluations are counted through all runs in their order, each with the mean of the scores up to it, so that
        configurations are compared over the same seeds and environments, however many runs go on at a time.
        """
        search = self._plan.search
        scores: list[float] = []
        before, last = 0, sum(evaluations_of(entry) for entry in configuration.runs)
        for entry in configuration.runs:
            curve = read_curve(entry.run_dir, evaluation_key(search["metric"]))
            count, (total, interval) = evaluations_of(entry), _budget(entry)
            for index, (env_steps, _) in enumerate(curve):
                step = before + min(max(env_steps // interval, 1), count)
                if configuration.steps < step < last:
                    configuration.steps = step
                    partial = score_curve(curve[: index + 1], search["score"], search["direction"])
                    if self._study.report(configuration.record.number, step, _mean([*scores, partial])):
                        self._prune(configuration)
                        return
            if entry.status != FINISHED:
                return
            if not curve:
                configuration.is_broken, entry.status = True, FAILED
                entry.reason = f"its evaluations hold no {search['metric']}; choose another metric="
                self._drop(configuration)
                return
            scores.append(score_curve(curve, search["score"], search["direction"], total))
            before += count
        self._open.remove(configuration)
        self._study.tell(configuration.record.number, FINISHED, _mean(scores))
        self._on_change()

    def _prune(self, configuration: Configuration) -> None:
        self._study.tell(configuration.record.number, PRUNED)
        self._drop(configuration)
        self._on_change()

    def _drop(self, configuration: Configuration) -> None:
        """End what still runs of a configuration, and start no more of it."""
        self._open.remove(configuration)
        self._unwanted += configuration.runs
        for entry in configuration.waiting:
            entry.status = PRUNED
        configuration.waiting.clear()


def evaluations_of(entry: TrialStatus) -> int:
    """How many evaluations a run has; 1 before it has begun."""
    total, interval = _budget(entry)
    return -(-total // interval)


def _budget(entry: TrialStatus) -> tuple[int, int]:
    """Environment steps of a run, and between its evaluations."""
    try:
        config = read_config(entry.run_dir)
        return int(config["total_env_steps"]), int(config["evaluation"]["interval"])
    except (OSError, ValueError, KeyError, TypeError):
        return 1, 1


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
