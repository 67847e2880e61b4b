"""What chance and perfection are worth on a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engram.analysis.names import option_of
from engram.analysis.runs import Run
from engram.envs.table import TASKS

# An archive may come from anybody: larger options are not tried out.
_MOST = 1000


def known_returns(run: Run) -> tuple[float | None, float | None]:
    """The mean return of uniformly random actions and the best one on a run's task.

    Args:
        run: the run; nothing that its configuration names is built but Engram's own small tasks.

    Returns:
        Chance and best; None for what is not known.
    """
    task = TASKS.get(option_of(run, "env"))
    arguments = run.part("env").arguments
    if task is None:
        return None, None
    if "name" in arguments:  # of the table, where options that are given change what chance is worth
        changed = arguments.get("kwargs") or any(
            arguments.get(key) for key in ("trials", "projection", "observable")
        )
        return (None, None) if changed else (task.chance_return, None)
    if task.native is None or not task.name.startswith("diagnostic/"):
        return None, None
    options = {key: value for key, value in arguments.items() if not key.startswith("_")}
    if not all(map(_is_small, options.values())):
        return None, None
    try:
        env = task.native(1, **options)
    except (TypeError, ValueError):  # an option of a wrapper, or of another version
        return None, None
    return env.chance_return, env.best_return


def _is_small(value: Any) -> bool:
    return not isinstance(value, Mapping | list) and (
        not isinstance(value, int | float) or abs(value) <= _MOST
    )
