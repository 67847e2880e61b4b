"""Boards: the runs of one agent and one setting, a row for every core and a column for every task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engram.analysis.differences import enough_keys, name_part
from engram.analysis.groups import Placed, place_runs
from engram.analysis.leaderboard.cells import make_cell, ranks
from engram.analysis.leaderboard.notes import board_notes, mean_rank_tasks
from engram.analysis.leaderboard.protocol import Protocol
from engram.analysis.names import training_command
from engram.analysis.runs import Run
from engram.analysis.settings import Settings
from engram.envs.table import table_order

# What decides nothing of memory, or all of it: what a core is held against.
CONTROLS = ("mlp", "pos_mlp", "frame_stack")


@dataclass(frozen=True, eq=False)
class Entry:
    """A run on the leaderboard.

    Attributes:
        run: the run.
        protocol: how it was made, but for its core.
        task: name of its task.
        source: name of the archive it comes from.
        is_submitted: it is somebody else's.
    """

    run: Run
    protocol: Protocol
    task: str
    source: str
    is_submitted: bool = False


def make_boards(
    entries: Sequence[Entry], thresholds: Mapping[str, float | None], how: Settings
) -> list[dict[str, Any]]:
    """Put runs into boards.

    Args:
        entries: all runs, each with an evaluation.
        thresholds: of each task, for boards whose runs have none at which they stop.
        how: of the intervals.

    Returns:
        Boards with most rows first. Each has `title`, `agent`, `tasks`, `thresholds`, `sources`, `settings`, `command`,
        `notes`, `mean_rank` (whether there is one) and `rows`.
    """
    found: dict[Any, list[Entry]] = defaultdict(list)
    for one in entries:
        found[one.protocol.board].append(one)
    boards = [_make_board(members, thresholds, how) for members in found.values()]
    _tell_apart(boards, [members[0].protocol.settings for members in found.values()])
    boards.sort(key=lambda board: (-len(board["rows"]), board["title"]))
    return boards


def _make_board(
    members: Sequence[Entry], thresholds: Mapping[str, float | None], how: Settings
) -> dict[str, Any]:
    placed = place_runs([one.run for one in members], None)
    rows: dict[tuple[str, str], dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    cores: dict[tuple[str, str], Placed] = {}
    for one, place in zip(members, placed, strict=True):
        key = (place.group, one.source if one.is_submitted else "")
        rows[key][one.task].append(one)
        cores[key] = place
    tasks = sorted({one.task for one in members}, key=table_order)
    own = _stop(members)
    limits = {task: own if own is not None else thresholds[task] for task in tasks}
    cells = {
        key: {task: _cell(ours, limits[task], how) for task, ours in row.items()} for key, row in rows.items()
    }
    for task in tasks:
        for key, rank in ranks(
            {key: row[task] for key, row in cells.items() if task in row}, limits[task]
        ).items():
            cells[key][task]["rank"] = rank
    described = [_describe(key, cores[key].core, rows[key], cells[key]) for key in rows]
    averaged, left_out = mean_rank_tasks(tasks, described)
    for row in described:
        held = [row["cells"][task]["rank"] for task in averaged]
        row["mean_rank"] = round(sum(held) / len(held), 3) if held else None
    described.sort(key=lambda row: _order(row, tasks[0]))
    # What a stranger's run says of its command is not for others to paste.
    commands = [training_command(one.run) for one in members if not one.is_submitted]
    return {
        "agent": members[0].protocol.agent,
        "tasks": tasks,
        "thresholds": limits,
        "sources": sorted({one.source for one in members if not one.is_submitted}),
        "settings": _stored_settings(members),
        "command": next(filter(None, commands), None),
        "notes": board_notes(described, tasks) + left_out,
        "mean_rank": bool(averaged),
        "rows": described,
    }


def _stored_settings(members: Sequence[Entry]) -> dict[str, str]:
    """The settings of a board that its runs say themselves: defaults of options to come change nothing of it."""
    stored = frozenset[str]().union(*(one.protocol.stored for one in members if not one.is_submitted))
    return {key: text for key, text in sorted(members[0].protocol.settings.items()) if key in stored}


def _stop(members: Sequence[Entry]) -> float | None:
    """The evaluation at which all runs of a board stop; None for none."""
    return members[0].run.stored.stop_at_return


def _cell(members: Sequence[Entry], threshold: float | None, how: Settings) -> dict[str, Any]:
    return make_cell([one.run for one in members], [one.protocol.budget for one in members], threshold, how)


def _describe(
    key: tuple[str, str], core: str, members: Mapping[str, Sequence[Entry]], cells: Mapping[str, Any]
) -> dict[str, Any]:
    entries = [one for ours in members.values() for one in ours]
    runs = [one.run for one in entries]
    return {
        "name": key[0],
        "core": core,
        "submitted": key[1] or None,
        "control": core in CONTROLS,
        "parameters": _range([run.sizes.get("parameters") for run in runs]),
        "carry_bytes": _range([run.sizes.get("carry_bytes_per_env") for run in runs]),
        "versions": sorted({run.versions.get("engram-rl", "unknown") for run in runs}),
        "own": {
            key: sorted({one.protocol.free[key] for one in entries if key in one.protocol.free})
            for key in sorted({key for one in entries for key in one.protocol.free})
        },
        "commits": sorted({run.versions.get("git_commit", "unknown")[:12] for run in runs}),
        "cells": dict(cells),
    }


def _range(sizes: Sequence[int | None]) -> list[int] | None:
    known = [size for size in sizes if size is not None]
    return [min(known), max(known)] if known else None


def _order(row: Mapping[str, Any], task: str) -> tuple[Any, ...]:
    """By mean rank where there is one, else by the rank on the first task; those without it come last."""
    rank = row["mean_rank"] if row["mean_rank"] is not None else row["cells"].get(task, {}).get("rank")
    return rank is None, rank or 0, row["name"], row["submitted"] or ""


def _tell_apart(boards: Sequence[dict[str, Any]], settings: Sequence[Mapping[str, str]]) -> None:
    """Give every board a title of its own: agent and tasks, and as much of its settings as it takes."""
    alike: dict[str, list[int]] = defaultdict(list)
    for index, board in enumerate(boards):
        alike[f"{board['agent']} on {', '.join(board['tasks'])}"].append(index)
    for title, same in alike.items():
        labels: dict[str, list[int]] = defaultdict(list)
        for index in same:
            archives = [f"archive {', '.join(boards[index]['sources'])}"] if len(same) > 1 else []
            labels[" · ".join([title, *archives])].append(index)
        for label, members in labels.items():
            keys = enough_keys([settings[index] for index in members])
            for index in members:
                parts = [name_part(key, settings[index][key], keys) for key in keys]
                boards[index]["title"] = " · ".join([label, *parts])
