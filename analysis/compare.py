"""Everything a comparison says, as one document of plain values: the report, the figures and the files show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engram.analysis.chance import chance_levels
from engram.analysis.curves import make_curves
from engram.analysis.groups import Placed, controls_last, drop_repetitions, place_runs
from engram.analysis.metrics import SECONDS, STEPS
from engram.analysis.notes import folder_notes, score_notes, task_notes
from engram.analysis.over_tasks import aggregate, comparable_tasks, worth_aggregating
from engram.analysis.runs import Run
from engram.analysis.scores import SCORES, Scored, score_task
from engram.analysis.settings import STATISTICS, Settings, plain
from engram.analysis.skipped import Skipped
from engram.common.errors import UsageError
from engram.envs.table import table_order

# What tables tell of an agent's size, and its name in `sizes.json`.
SIZES = {"parameters": "parameters", "carry_bytes": "carry_bytes_per_env"}
_EPOCHS = 100


def compare(runs: Sequence[Run], skipped: Sequence[Skipped], settings: Settings) -> dict[str, Any]:
    """Compare runs.

    Args:
        runs: those that could be read.
        skipped: those that could not.
        settings: how.

    Returns:
        The document: `skipped`, `notes`, `groups`, `controls` (the groups without a memory), `chance` (the returns of
        random actions), `tasks`, `runs`, `table`, `curves`, `aggregates`, `profiles`, `improvement`, `settings`.

    Raises:
        UsageError: if nothing is left to compare.
    """
    key = settings.key
    usable = [run for run in runs if len(run.series(key)[0].x)]
    left_out = [Skipped(run.name, f"no {key} in its metrics") for run in runs if run not in usable]
    if not usable:
        raise _nothing_to_compare(runs, (*skipped, *left_out), key)
    placed, repeated = drop_repetitions(place_runs(usable, settings.group))
    tasks, ranges, notes = {}, {}, []
    for task in sorted({one.task for one in placed}, key=table_order):
        ours = [one for one in placed if one.task == task]
        tasks[task], ranges[task] = score_task(ours, settings, settings.epoch_env_steps or _epoch(ours))
        notes += task_notes(task, tasks[task], ranges[task][1])
    groups, controls = controls_last(placed)
    comparable, shared_notes = comparable_tasks(tasks, groups, settings)
    shared, single_notes = worth_aggregating(tasks, comparable)
    scored = [one for ours in tasks.values() for one in ours]
    notes += folder_notes([one.placed.run for one in scored]) + score_notes(
        scored, settings.score, bool(shared)
    )
    return {
        "settings": {
            **vars(settings),
            "bounds": dict(settings.bounds),
            "chance": dict(settings.chance),
            "group": list(settings.group or ()),
            "key": key,
            "label": settings.label,
        },
        "skipped": [vars(one) for one in (*skipped, *left_out, *repeated)],
        "notes": notes + shared_notes + single_notes,
        "groups": groups,
        "controls": controls,
        "chance": chance_levels(tasks, shared, settings),
        "tasks": [{"name": task, "start": r[0], "end": r[1]} for task, r in ranges.items()],
        "runs": [_describe(one, ranges[one.placed.task][1]) for one in scored],
        "table": _table(tasks, groups, settings),
        "curves": {x: make_curves(tasks, shared, groups, settings, x) for x in (STEPS, SECONDS)},
        **aggregate({task: tasks[task] for task in shared}, groups, settings),
    }


def _nothing_to_compare(runs: Sequence[Run], skipped: Sequence[Skipped], key: str) -> UsageError:
    """What to say where no run has the metric; which there are, if any."""
    names = sorted({name for run in runs for name in run.metrics.names if "/" in name})
    if names:
        return UsageError(
            f"metric must name what the runs have measured, but none of {len(runs)} has {key}; choose one of "
            f"{', '.join(names)}."
        )
    return UsageError(
        f"runs must name at least one complete run, but none of {len(skipped)} is (the first, {skipped[0].name}: "
        f"{skipped[0].reason}); give other folders."
    )


def _epoch(placed: Sequence[Placed]) -> float:
    return max(float(one.run.steps[-1]) for one in placed) / _EPOCHS or 1.0


def _describe(one: Scored, end: float) -> dict[str, Any]:
    run = one.placed.run
    return {
        "group": one.placed.group,
        "agent": one.placed.agent,
        "core": one.placed.core,
        "task": one.placed.task,
        "seed": run.seed,
        "env_steps": int(run.steps[-1]),
        "seconds": None if run.seconds is None else float(run.seconds[-1]),
        "solved": run.solved,
        **{name: run.sizes.get(key) for name, key in SIZES.items()},
        "compared_until": end,
        **one.scores,
        "device": run.versions.get("device", "unknown"),
        "git_commit": run.versions.get("git_commit", "unknown"),
        "folder": run.name,
    }


def _table(
    tasks: Mapping[str, Sequence[Scored]], groups: Sequence[str], settings: Settings
) -> list[dict[str, Any]]:
    """A row for every task and group: its scores, unscaled, with intervals and standard deviations."""
    rows = []
    for task, ours in tasks.items():
        for group in groups:
            members = [one for one in ours if one.placed.group == group]
            if not members:
                continue
            row: dict[str, Any] = {"task": task, "group": group, "seeds": len(members)}
            row |= {name: _common_size(members, key) for name, key in SIZES.items()}
            for name in SCORES:
                values = np.array([one.scores[name] for one in members], float)
                row[name] = None
                if not np.isnan(values).any():
                    found = plain(settings.estimate(STATISTICS[settings.aggregate], values[:, None]))
                    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
                    row[name] = {**found, "standard_deviation": deviation}
            rows.append(row)
    return rows


def _common_size(members: Sequence[Scored], key: str) -> int | None:
    """The size that all runs of a group share; None where they differ or do not tell."""
    found = {one.placed.run.sizes.get(key) for one in members}
    return found.pop() if len(found) == 1 else None
