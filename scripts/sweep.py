"""Train a grid: `engram sweep core=lstm,gru env=popgym/repeat_previous_easy seed=0..4`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from engram.command_line.flags import answer
from engram.command_line.paths import literal_path
from engram.common.errors import UsageError
from engram.common.say import say
from engram.common.shell import command_line
from engram.run_files.plain_files import check_plain
from engram.run_files.run_lock import folder_lock
from engram.scripts.faults.errors import run
from engram.scripts.sweeps.launchers import make_launcher
from engram.scripts.sweeps.loop import FAILED, FINISHED, WAITING, TrialStatus, read_statuses, run_trials
from engram.scripts.sweeps.manifest import update_manifest
from engram.scripts.sweeps.plan import Plan, make_plan
from engram.scripts.sweeps.summary import summary_lines
from engram.scripts.sweeps.table import SweepTable
from engram.training.faults import usage_errors
from engram.training.stop_request import StopRequest

EXIT_FAILED_TRIALS = 1


def main(words: Sequence[str]) -> bool:
    """Begin a sweep, continue it, or add to it: whatever of the grid has not finished is trained.

    Returns:
        Whether all of it has finished.
    """
    if (text := answer("sweep", words)) is not None:
        say(*text.split("\n"))
        return True
    with ExitStack() as held:
        with usage_errors():
            plan = make_plan(words)
            check_plain(plan.directory)
            _make_folder(plan)
            held.enter_context(folder_lock(plan.directory))
            update_manifest(plan)
        statuses = read_statuses(plan.trials, plan.directory, plan.options["trust_edited"])
        _train(plan, statuses, command_line("sweep", words))
    return _conclude(plan, statuses)


def _make_folder(plan: Plan) -> None:
    try:
        plan.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"A sweep's folder must be one that can be made, but {plan.directory} cannot ({error.strerror}); "
            "set sweep.dir=<folder>."
        ) from error


def _train(plan: Plan, statuses: list[TrialStatus], command: str) -> None:
    """Run what waits.

    Args:
        plan: of the sweep.
        statuses: changed in place.
        command: continues the sweep.

    Raises:
        StoppedError: if a signal asked the sweep to stop; its trials have saved.
    """
    say(f"sweep in {plan.directory}", file=sys.stderr)
    if all(entry.status == FINISHED for entry in statuses):
        return
    stop = StopRequest("stopping: running trials save and end first; a second signal ends at once")
    launcher = make_launcher(plan.options, plan.device, plan.threads)
    try:
        with stop, SweepTable(statuses) as table:
            run_trials(statuses, launcher, plan.options["retries"], table.report, stop.is_asked)
    finally:
        launcher.close()
    if stop.is_asked() and any(entry.status == WAITING for entry in statuses):
        say(f"stopped; nothing is lost, and the sweep goes on with: {command}", file=sys.stderr)
        raise stop.error()


def _conclude(plan: Plan, statuses: list[TrialStatus]) -> bool:
    """Say how it ended, and whether all is well."""
    say(*summary_lines(statuses))
    failed = [entry for entry in statuses if entry.status == FAILED]
    for entry in failed:
        say(f"failed: {entry.run_dir}: {entry.reason} (all of it: {entry.log})", file=sys.stderr)
    say(
        f"{len(statuses) - len(failed)} of {len(statuses)} trials finished: {plan.directory}", file=sys.stderr
    )
    if len(failed) < len(statuses):
        places = {"runs": plan.directory, "output": plan.directory / "report"}
        words = [f"{key}={literal_path(str(place))}" for key, place in places.items()]
        say(f"to compare them: {command_line('plot', words)}", file=sys.stderr)
    return not failed


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code, 1 if trials failed."""
    outcomes: list[bool] = []
    code = run(lambda words: outcomes.append(main(words)), words)
    return EXIT_FAILED_TRIALS if outcomes == [False] else code


if __name__ == "__main__":
    sys.exit(command())
