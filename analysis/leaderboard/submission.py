"""A submission held against the leaderboard: the same but for the core, whole, and told by its own files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engram.analysis.leaderboard.boards import Entry
from engram.analysis.leaderboard.cells import is_finished
from engram.analysis.leaderboard.protocol import differences, value_text
from engram.analysis.names import flatten, option_of, training_command
from engram.analysis.runs import Run
from engram.analysis.skipped import Skipped
from engram.common.errors import UsageError
from engram.run_files.names import MANIFEST_FILE, SIZES_FILE, VERSIONS_FILE

_ARCHIVE = "engram plot runs=<your runs> output=mine archive=true"
# Differences that one sentence names.
_MOST = 12


def check_submission(
    name: str,
    runs: Sequence[Entry],
    skipped: Sequence[Skipped],
    ours: Sequence[Entry],
    others: Sequence[Entry] = (),
) -> list[Entry]:
    """Hold a submission against the runs of the leaderboard.

    Args:
        name: of the archive.
        runs: those in it that could be read.
        skipped: those that could not.
        ours: on the leaderboard.
        others: of submissions that were taken before.

    Returns:
        Its runs, as entries under the leaderboard's names of tasks.

    Raises:
        UsageError: for the first thing that is wrong: rule, expected, got, what to do.
    """
    if skipped:
        raise UsageError(
            f"A submission holds whole runs that were not edited, each of them once, but {name} does not "
            f"({skipped[0].name}: {skipped[0].reason}); write it again: {_ARCHIVE}."
        )
    for one in runs:
        _check_files(one.run)
        _check_end(one)
    accepted = [_placed(one, ours) for one in runs]
    _check_seeds(name, accepted, [*ours, *others])
    return accepted


def _check_files(run: Run) -> None:
    """What a run tells of itself: that it is unchanged, its size and its version."""
    if not (run.folder / MANIFEST_FILE).is_file():
        raise UsageError(
            f"Every run of a submission has a {MANIFEST_FILE}, by which changes are noticed, but {run.name} has none; "
            f"write it again: {_ARCHIVE}."
        )
    if "parameters" not in run.sizes:
        raise UsageError(
            f"A submitted run says how many parameters it has, expected parameters in {SIZES_FILE}, but {run.name} has "
            "none there; train it with this version."
        )
    if "engram-rl" not in run.versions:
        raise UsageError(
            f"A submitted run says which version of Engram made it, expected engram-rl in {VERSIONS_FILE}, but "
            f"{run.name} has none there; train it with this version."
        )


def _check_end(one: Entry) -> None:
    if not is_finished(one.run, one.protocol.budget):
        raise UsageError(
            f"A submitted run spends its budget or reaches its evaluation.stop_at_return, expected "
            f"{one.protocol.budget:,} environment steps, but {one.run.name} has {int(one.run.steps[-1]):,}; go on with "
            "engram train resume=<its folder>."
        )


def _placed(one: Entry, ours: Sequence[Entry]) -> Entry:
    """A run under the name that its task has on the leaderboard, where a board of ours has its settings."""
    kind, theirs = option_of(one.run, "env"), one.protocol
    same_kind = [other for other in ours if option_of(other.run, "env") == kind]
    same_task = [other for other in same_kind if other.protocol.task_key == theirs.task_key]
    if not same_kind:
        tasks = sorted({other.task for other in ours})
        raise UsageError(
            f"A submitted run is of a task of the leaderboard, expected one of {', '.join(tasks)}, but {one.run.name} "
            f"is of {kind}; train it on one of these."
        )
    if not same_task:
        near = min(same_kind, key=lambda other: len(differences(other.protocol.task, theirs.task)))
        raise UsageError(
            f"A submitted run has the same task as ours, expected that of {near.task}, but in {one.run.name} "
            f"{_named(near.protocol.task, theirs.task)}; train it on that task: {_command(near)}."
        )
    same_board = [other for other in same_task if other.protocol.board == theirs.board]
    if not same_board:
        raise _other_settings(one, same_task)
    budgets = sorted({other.protocol.budget for other in same_board})
    if theirs.budget not in budgets:
        raise UsageError(
            f"A submitted run has the budget of ours, expected total_env_steps="
            f"{' or '.join(f'{budget:,}' for budget in budgets)}, but {one.run.name} has {theirs.budget:,}; train it "
            f"so: {_command(same_board[0])}."
        )
    return Entry(one.run, theirs, same_board[0].task, one.source, is_submitted=True)


def _other_settings(one: Entry, ours: Sequence[Entry]) -> UsageError:
    """What to say of a run whose settings no board has; the nearest is told."""
    same_agent = [other for other in ours if other.protocol.agent == one.protocol.agent]
    if not same_agent:
        agents = sorted({other.protocol.agent for other in ours})
        return UsageError(
            f"A submitted run has an agent that the leaderboard has on its task, expected {' or '.join(agents)}, but "
            f"{one.run.name} has {one.protocol.agent}; train it with {' or '.join(f'agent={name}' for name in agents)}."
        )
    near = min(same_agent, key=lambda other: len(differences(other.protocol.settings, one.protocol.settings)))
    return UsageError(
        f"A submitted run differs from ours in its core alone, but in {one.run.name} "
        f"{_named(near.protocol.settings, one.protocol.settings)}; train it with your core in the place of ours: "
        f"{_command(near)}."
    )


def _check_seeds(name: str, runs: Sequence[Entry], there: Sequence[Entry]) -> None:
    """Every run is evidence of its own: no two of one core, task and seed, and none that is on the leaderboard."""
    known = {_identity(one) for one in there}
    for identity, times in Counter(map(_identity, runs)).items():
        if times > 1:
            raise UsageError(
                f"The runs of one core on one task have different seeds, but {name} has {times} of seed {identity[0]}; "
                "leave all but one out, or train seed=0..4."
            )
        if identity in known:
            raise UsageError(
                f"A submitted run is one that the leaderboard does not have, but {name} has the core, the settings and "
                f"the seed of one that is there on {identity[1]}; submit another core, or other seeds."
            )


def _identity(one: Entry) -> tuple[Any, ...]:
    """Two runs that share it are one piece of evidence."""
    core = {key: value_text(value) for key, value in flatten(one.run.part("core").arguments).items()}
    return one.run.seed, one.task, one.protocol.board, str(core), str(one.protocol.free)


def _named(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Every difference by its name."""
    found = differences(ours, theirs)
    named = [f"{key} is {other} where ours has {mine}" for key, mine, other in found[:_MOST]]
    more = [f"{len(found) - _MOST} more differ"] if len(found) > _MOST else []
    return ", ".join(named + more)


def _command(ours: Entry) -> str:
    """The command of a run of ours, if it has kept it."""
    return training_command(ours.run) or f"agent={ours.protocol.agent} and the settings on its board"
