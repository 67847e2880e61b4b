"""Train a grid: `engram sweep core=lstm,gru env=popgym/repeat_previous_easy seed=0..4`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from engram.command_line.flags import answer
from engram.command_line.option_file import options_of_file
from engram.command_line.paths import literal_path
from engram.common.say import say
from engram.common.shell import command_line
from engram.run_files.run_lock import folder_lock
from engram.scripts.faults.errors import EXIT_FAILED_TRIALS, run
from engram.scripts.sweeps.folder import make_folder
from engram.scripts.sweeps.launchers import make_launcher
from engram.scripts.sweeps.loop import TrialStatus, read_statuses
from engram.scripts.sweeps.manifest import update_manifest
from engram.scripts.sweeps.plan import Plan, make_plan
from engram.scripts.sweeps.running import have_finished, say_how_they_ended, train_trials
from engram.scripts.sweeps.summary import summary_lines
from engram.scripts.sweeps.table import SweepTable
from engram.training.faults import usage_errors


def main(words: Sequence[str]) -> bool:
    """Begin a sweep, continue it, or add to it: whatever of the grid has not finished is trained.

    Returns:
        Whether all of it has finished.
    """
    if (text := answer("sweep", words)) is not None:
        say(*text.split("\n"))
        return True
    with ExitStack() as held:
        with usage_errors(), options_of_file(words):
            plan = make_plan(words)
            make_folder(plan.directory)
            held.enter_context(folder_lock(plan.directory))
            update_manifest(plan)
        statuses = read_statuses(plan.trials, plan.directory, plan.options["trust_edited"])
        _train(plan, statuses, command_line("sweep", words))
    return _conclude(plan, statuses)


def _train(plan: Plan, statuses: list[TrialStatus], command: str) -> None:
    """Run what waits; see `train_trials`."""
    say(f"sweep in {plan.directory}", file=sys.stderr)
    if not have_finished(statuses):
        launcher = make_launcher(plan.options, plan.device, plan.threads)
        train_trials(statuses, launcher, plan.options["retries"], SweepTable(statuses), "the sweep", command)


def _conclude(plan: Plan, statuses: list[TrialStatus]) -> bool:
    """Say how it ended, and whether all is well."""
    say(*summary_lines(statuses))
    failed = say_how_they_ended(statuses, "trials", plan.directory)
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
