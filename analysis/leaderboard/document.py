"""The whole leaderboard as one document of plain values: the page, the tables and the files show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engram.analysis.chance import chance_of
from engram.analysis.folders import Folder
from engram.analysis.groups import drop_repetitions, place_runs
from engram.analysis.leaderboard.boards import Entry, make_boards
from engram.analysis.leaderboard.protocol import Defaults, evaluated_on, protocol_of
from engram.analysis.metrics import EVALUATION
from engram.analysis.names import option_of
from engram.analysis.runs import read_run
from engram.analysis.settings import Settings
from engram.analysis.skipped import Skipped, skip
from engram.envs.table import TASKS, table_order

# What every core is to be run on.
WANTED = (
    *(name for name in TASKS if name.startswith("popgym/") and name.endswith("_easy")),
    *(name for name in TASKS if name.startswith("diagnostic/")),
    "memory_maze/tiny",
)


def read_entries(
    sources: Sequence[tuple[str, Sequence[Folder]]],
    defaults: Defaults,
    free: Sequence[str],
    drops_repeated: bool = True,
) -> tuple[list[Entry], list[Skipped]]:
    """Read the runs of archives; those that cannot be used are named with the reason.

    Args:
        sources: name of each archive and the run folders in it.
        defaults: of agents.
        free: dotted options that every core may choose for itself.
        drops_repeated: leave out runs of the same configuration and seed as another.
    """
    found: dict[str, str] = {}
    runs, skipped = [], []
    for source, folders in sources:
        for one in map(read_run, folders):
            if isinstance(one, Skipped):
                skipped.append(one)
            elif len(one.series(EVALUATION)[0].x) == 0:
                skipped.append(skip(one.name, "no evaluation in its metrics"))
            else:
                runs.append(one)
                found[one.name] = source
    kept = place_runs(runs, None) if runs else []
    repeated: list[Skipped] = []
    if drops_repeated:
        kept, repeated = drop_repetitions(kept)
    entries = []
    for place in kept:
        protocol = protocol_of(place.run, defaults, free)
        other = evaluated_on(protocol.task)
        task = f"{place.task} (evaluated on {other})" if other else place.task
        entries.append(Entry(place.run, protocol, task, found[place.run.name]))
    return entries, skipped + repeated


def make_document(
    entries: Sequence[Entry], skipped: Sequence[Skipped], how: Settings, cores: Sequence[str]
) -> dict[str, Any]:
    """Make the leaderboard.

    Args:
        entries: all runs, at least one.
        skipped: what was left out.
        how: of the intervals.
        cores: all that every task is to have runs of.

    Returns:
        `tasks` with chance and threshold, `boards`, `coverage`, `skipped`, `runs` and `confidence`.
    """
    tasks = [
        _describe_task(name, [one for one in entries if one.task == name])
        for name in sorted({one.task for one in entries}, key=table_order)
    ]
    thresholds = {task["name"]: task["threshold"] for task in tasks}
    return {
        "tasks": tasks,
        "boards": make_boards(entries, thresholds, how),
        "coverage": _coverage(entries, cores),
        "skipped": [vars(one) for one in skipped],
        "runs": len(entries),
        "confidence": how.confidence,
    }


def _describe_task(name: str, members: Sequence[Entry]) -> dict[str, Any]:
    """What is known of a task; its threshold is the lowest at which any run of ours was to stop."""
    ours = [one.run for one in members if not one.is_submitted]
    stops = [run.stored.stop_at_return for run in ours if run.stored.stop_at_return is not None]
    chance = chance_of(members[0].run, is_evaluation=True)
    return {"name": name, "chance": chance, "threshold": min(stops, default=None)}


def _coverage(entries: Sequence[Entry], cores: Sequence[str]) -> list[dict[str, Any]]:
    """Of every task that each core is to be run on, how many have runs, by any agent."""
    found: dict[str, set[str]] = {name: set() for name in WANTED}
    for one in entries:
        name = one.task.partition(" ")[0]
        if name in found and not one.is_submitted:
            found[name].add(option_of(one.run, "core"))
    return [{"task": name, "cores": len(held & {*cores}), "of": len(cores)} for name, held in found.items()]


def submitted_rows(document: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any], int]]:
    """The cells that come from submissions: title of the board, name of the row, its cell and how many it is beside."""
    return [
        (
            f"{board['agent']} on {task}",
            row["name"],
            cell,
            sum(task in other["cells"] for other in board["rows"]),
        )
        for board in document["boards"]
        for row in board["rows"]
        if row["submitted"]
        for task, cell in row["cells"].items()
    ]
