"""The line of chance: what uniformly random actions are worth on the tasks of a comparison, where that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engram.analysis.curves import ALL_TASKS
from engram.analysis.names import option_of
from engram.analysis.runs import Run
from engram.analysis.scores import Scored, rescale
from engram.analysis.settings import STATISTICS, Settings
from engram.common.metric_names import RETURN, evaluation_key
from engram.common.nested import merged
from engram.envs.chance import chance_return


def chance_levels(
    tasks: Mapping[str, Sequence[Scored]], shared: Sequence[str], settings: Settings
) -> dict[str, float]:
    """Find the returns of uniformly random actions.

    Args:
        tasks: the runs of each.
        shared: the tasks that are aggregated over, if there are any.
        settings: give those of tasks that Engram does not know.

    Returns:
        By task, and for all tasks together where each of them is known; nothing of any other metric.
    """
    if settings.name != RETURN:
        return {}
    is_evaluation = settings.key == evaluation_key(RETURN)
    known = {
        task: _common([chance_of(one.placed.run, is_evaluation) for one in ours])
        for task, ours in tasks.items()
    }
    found = {task: value for task, value in (known | dict(settings.chance)).items() if value is not None}
    found = {task: value for task, value in found.items() if task in tasks}
    if shared and all(task in found for task in shared):
        scores = [rescale(task, np.array(found[task]), settings.bounds) for task in shared]
        estimate = settings.estimate(STATISTICS[settings.aggregate], np.array([scores], float))
        found[ALL_TASKS] = float(estimate.value)
    return found


def chance_of(run: Run, is_evaluation: bool) -> float | None:
    """The return of uniformly random actions in a run's environments, or in those of its evaluations."""
    options = run.part("env").arguments
    evaluation = run.config.get("evaluation")
    other = evaluation.get("env") if is_evaluation and isinstance(evaluation, Mapping) else None
    return chance_return(
        option_of(run, "env"), merged(options, other) if isinstance(other, Mapping) else options
    )


def _common(values: Sequence[float | None]) -> float | None:
    """What all have in common; None where they differ."""
    return values[0] if len(set(values)) == 1 else None
