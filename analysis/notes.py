"""What a reader must know before believing a comparison, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engram.analysis.groups import mixed_keys
from engram.analysis.runs import Run
from engram.analysis.scores import Scored
from engram.analysis.statistics.bootstrap import FEWEST_SEEDS
from engram.common.natural_order import natural_order
from engram.run_files.names import SIZES_FILE

# Runs end with the rollout in which their budget is spent, so that lengths differ a little.
_SAME_LENGTH = 0.98


def task_notes(task: str, runs: Sequence[Scored], end: float) -> list[str]:
    """Say what limits the comparison of one task's runs.

    Args:
        task: its name.
        runs: of all groups.
        end: environment steps up to which they are compared.
    """
    by_group: dict[str, list[Scored]] = {}
    for one in sorted(runs, key=lambda one: natural_order(one.placed.group)):
        by_group.setdefault(one.placed.group, []).append(one)
    notes = _seed_notes(
        task, {group: [one.placed.run.seed for one in ours] for group, ours in by_group.items()}
    )
    for group, members in by_group.items():
        keys = mixed_keys([one.placed for one in members])
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            notes.append(
                f"{group} on {task} mixes runs that differ in {', '.join(keys[:3])}{more}; "
                "name these keys in group to tell them apart."
            )
        notes += [
            f"{one.placed.run.name} has no times in its metrics: no wall-clock curve of {group} on {task}."
            for one in members
            if one.seconds is None
        ]
    return notes + _length_notes(task, runs, end)


def folder_notes(runs: Sequence[Run]) -> list[str]:
    """Say what the runs' folders do not tell, and where they differ in what should not differ: code and device."""
    notes = []
    unsized = [run.name for run in runs if not run.sizes]
    if unsized:
        more = f" and {len(unsized) - 1} more have" if len(unsized) > 1 else " has"
        notes.append(f"{unsized[0]}{more} no {SIZES_FILE}: no number of parameters and no size of the carry.")
    commits = {run.versions.get("git_commit", "unknown") for run in runs}
    if len(commits) > 1:
        notes.append(f"The runs come from {len(commits)} versions of the code; see the list of runs.")
    devices = sorted({run.versions.get("device", "unknown") for run in runs})
    if len(devices) > 1:
        notes.append(
            f"The runs come from several devices ({', '.join(devices)}): wall-clock is not comparable."
        )
    return notes


def score_notes(runs: Sequence[Scored], score: str, is_aggregated: bool) -> list[str]:
    """Say which runs lack the score that aggregates are made of, if there are any."""
    lacking = [one.placed.run.name for one in runs if one.scores[score] is None]
    if not lacking:
        return []
    more = f" and {len(lacking) - 1} more have" if len(lacking) > 1 else " has"
    part = ", and no part in the aggregates" if is_aggregated else ""
    return [f"{lacking[0]}{more} no {score}{part}."]


def _seed_notes(task: str, seeds: Mapping[str, Sequence[int]]) -> list[str]:
    """Say which groups have too few seeds, those that have as many in one sentence."""
    by_count: dict[int, list[str]] = {}
    for group, own in seeds.items():
        by_count.setdefault(len(own), []).append(group)
    notes = []
    for count, groups in sorted(by_count.items()):
        who = f"{', '.join(groups)} on {task} {'has' if len(groups) == 1 else 'each have'}"
        if count == 1:
            notes.append(f"{who} one run: there is no interval; train at least {FEWEST_SEEDS} seeds.")
        elif count < FEWEST_SEEDS:
            notes.append(f"{who} {count} runs: intervals of fewer than {FEWEST_SEEDS} seeds are too narrow.")
    return notes + [
        f"{group} on {task} has several runs of one seed: they may not be independent."
        for group, own in seeds.items()
        if len(set(own)) < len(own)
    ]


def _length_notes(task: str, runs: Sequence[Scored], end: float) -> list[str]:
    """Say at which step tables compare, what that leaves out, and which curves go on with fewer runs."""
    longest = max(one.placed.run.steps[-1] for one in runs)
    short = [one for one in runs if not one.placed.run.solved and one.steps.x[-1] < _SAME_LENGTH * longest]
    notes = []
    if short:
        first = min(short, key=lambda one: float(one.steps.x[-1])).placed.run
        more = f", and {len(short) - 1} more are shorter than the longest" if len(short) > 1 else ""
        beyond = sum(one.steps.x[-1] > end / _SAME_LENGTH for one in runs)
        notes.append(
            f"{task}: tables and aggregates compare over its first {end:,.0f} environment steps, as {first.name} has "
            f"no more{more}; what {beyond} of {len(runs)} runs have beyond, up to {longest:,.0f}, counts in curves "
            "alone. Name runs without the short ones to compare over more."
        )
    for group in sorted({one.placed.group for one in short}, key=natural_order):
        members = [one for one in runs if one.placed.group == group]
        ends = sorted({float(one.steps.x[-1]) for one in members if one in short})
        if len(members) > sum(one in short for one in members) or len(ends) > 1:
            notes.append(
                f"{group} on {task}: of {len(members)} runs some end before others, the first at {ends[0]:,.0f} "
                "environment steps; beyond, its curve is that of the others."
            )
    solved = sum(one.placed.run.solved for one in runs)
    if solved:
        notes.append(
            f"{task}: {solved} of {len(runs)} runs stopped once an evaluation reached their "
            "evaluation.stop_at_return; they keep their last value from then on."
        )
    return notes
