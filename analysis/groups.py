"""Which runs are seeds of one and the same thing: groups by agent, core or any configuration key, and tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engram.analysis.differences import differing_keys, name_part, tell_apart
from engram.analysis.names import flatten, learning_config, option_of
from engram.analysis.runs import Run
from engram.analysis.skipped import Skipped, skip
from engram.common.errors import UsageError
from engram.common.natural_order import natural_order
from engram.common.printable import short_name

# Arguments of an environment that change how it is run, not what is to be learnt.
SAME_TASK = ("render_mode", "vectorization", "start_method", "worker_timeout", "_partial_")
# The core without a memory, to which all others are compared.
CONTROL = "mlp"


@dataclass(frozen=True)
class Placed:
    """A run in its place.

    Attributes:
        run: the run.
        task: name of its environment.
        group: name of what is compared.
        agent: option of the agent.
        core: option of the core.
    """

    run: Run
    task: str
    group: str
    agent: str
    core: str


def place_runs(runs: Sequence[Run], keys: Sequence[str] | None) -> list[Placed]:
    """Name the task and the group of every run.

    Args:
        runs: all of them, as what they share is left out of names.
        keys: `agent`, `core`, or dotted keys of the configuration; None: agent, core and whatever else decides how
            the runs of one agent and core on one task learn, and differs between them.

    Raises:
        UsageError: if no run has a key.
    """
    tasks, chosen = _name_tasks(runs), list(keys or ("agent", "core"))
    values = [{key: _value_of(run, key) for key in chosen} for run in runs]
    for key in chosen:
        if all(value[key] is None for value in values):
            raise UsageError(
                f"group must name agent, core or keys that runs were configured with, but no run has {key!r}; "
                "look into a config.yaml."
            )
    # An agent that all runs share need not be said; a core is always said.
    shown = [key for key in chosen if key != "agent" or len({value[key] for value in values}) > 1]
    names = [_group_name(value, shown or chosen) for value in values]
    if keys is None:
        names = tell_apart(runs, tasks, names)
    return [
        Placed(run, task, name, option_of(run, "agent"), option_of(run, "core"))
        for run, task, name in zip(runs, tasks, names, strict=True)
    ]


def drop_repetitions(placed: Sequence[Placed]) -> tuple[list[Placed], list[Skipped]]:
    """Leave out runs of the same configuration and seed: they are no independent evidence.

    The longest is kept.
    """
    best: dict[str, Placed] = {}
    skipped = []
    for one in sorted(placed, key=lambda one: (-one.run.steps[-1], one.run.name)):
        identity = json.dumps([one.task, one.run.seed, learning_config(one.run)], sort_keys=True)
        if identity in best:
            reason = f"same configuration and seed as {best[identity].run.name}, so no further evidence"
            skipped.append(skip(one.run.name, reason))
        else:
            best[identity] = one
    kept = sorted(
        best.values(), key=lambda one: (one.task, natural_order(one.group), one.run.seed, one.run.name)
    )
    return kept, skipped


def controls_last(placed: Sequence[Placed]) -> tuple[list[str], list[str]]:
    """Return the groups in order, and the controls among them: those without a memory, which stand last.

    Where no group has a memory none is a control.
    """
    groups = {one.group for one in placed}
    controls = groups - {one.group for one in placed if one.core != CONTROL}
    if controls == groups:
        return sorted(groups, key=natural_order), []
    own, without = (sorted(names, key=natural_order) for names in (groups - controls, controls))
    return own + without, without


def mixed_keys(placed: Sequence[Placed]) -> list[str]:
    """The keys of the configuration, apart from the seed, in which runs of one group and task differ."""
    return differing_keys([learning_config(one.run) for one in placed])


def _value_of(run: Run, key: str) -> Any:
    return option_of(run, key) if key in ("agent", "core") else flatten(run.config).get(key)


def _group_name(values: dict[str, Any], shown: Sequence[str]) -> str:
    parts = []
    for key in shown:
        value = "none" if values[key] is None else short_name(str(values[key]))
        parts.append(value if key in ("agent", "core") else name_part(key, value, shown))
    return " · ".join(parts)


def _name_tasks(runs: Sequence[Run]) -> list[str]:
    """An environment's option; where several of its arguments occur, those that differ are added."""
    names = [option_of(run, "env") for run in runs]
    arguments = [
        {key: value for key, value in flatten(run.part("env").arguments).items() if key not in SAME_TASK}
        for run in runs
    ]
    tasks = []
    for name, own in zip(names, arguments, strict=True):
        alike = [other for other_name, other in zip(names, arguments, strict=True) if other_name == name]
        varying = sorted(key for key in own if len({str(other.get(key)) for other in alike}) > 1)
        tasks.append(" ".join([name, *(short_name(f"{key}={own[key]}") for key in varying)]))
    return tasks
