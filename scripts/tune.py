"""Search for options: `engram tune core=gru agent.learning_rate=1e-4..1e-2:log seed=0..2 trials=20`."""

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
from engram.scripts.faults.errors import EXIT_DIVERGED, EXIT_FAILED_TRIALS, run
from engram.scripts.sweeps.folder import make_folder
from engram.scripts.sweeps.launchers import make_launcher
from engram.scripts.sweeps.loop import FAILED, TrialStatus
from engram.scripts.sweeps.running import train_all
from engram.scripts.sweeps.table import SweepTable
from engram.scripts.tuning.manifest import keep_manifest
from engram.scripts.tuning.plan import SearchPlan, count_evaluations, make_search_plan
from engram.scripts.tuning.results import BEST_FILE, counts, ranked, table_lines, train_command, write_results
from engram.scripts.tuning.search import Search
from engram.scripts.tuning.study import Study
from engram.training.faults import usage_errors


def main(words: Sequence[str]) -> bool:
    """Begin a search, continue it, or add to it.

    Returns:
        Whether no run has failed otherwise than by diverging.
    """
    if (text := answer("tune", words)) is not None:
        say(*text.split("\n"))
        return True
    with ExitStack() as held:
        with usage_errors(), options_of_file(words):
            plan = make_search_plan(words)
            evaluations = count_evaluations(plan)
            make_folder(plan.directory)
            held.enter_context(folder_lock(plan.directory))
            keep_manifest(plan)
            study = Study(plan.directory, plan.space, plan.search, evaluations)
        statuses: list[TrialStatus] = []
        _run(plan, study, statuses, command_line("tune", words))
    return _conclude(plan, study, statuses)


def _run(plan: SearchPlan, study: Study, statuses: list[TrialStatus], command: str) -> None:
    """Try configurations until there are enough.

    Args:
        plan: of the search.
        study: what was tried before.
        statuses: gets the runs of this call, in place.
        command: continues the search.

    Raises:
        StoppedError: if a signal asked the search to stop; its runs have saved.
    """
    say(f"search in {plan.directory}", file=sys.stderr)
    search = Search(plan, study, statuses, lambda: write_results(plan, study.records()))
    if not search.is_over():
        launcher, table = (
            make_launcher(plan.options, plan.device, plan.threads),
            SweepTable(statuses, grows=True),
        )
        retries = plan.options["retries"]
        train_all(search, launcher, retries, table, "the search", command, lambda: not search.is_over())
    write_results(plan, study.records())


def _conclude(plan: SearchPlan, study: Study, statuses: Sequence[TrialStatus]) -> bool:
    """Say how it ended, and whether all is well."""
    records = study.records()
    failed = [entry for entry in statuses if entry.status == FAILED]
    for entry in failed:
        say(f"failed: {entry.run_dir}: {entry.reason} (all of it: {entry.log})", file=sys.stderr)
    say(f"{len(records)} configurations: {counts(records)}: {plan.directory}", file=sys.stderr)
    if ranked(plan, records):
        say(*table_lines(plan, records))
        say(
            f"the best: {plan.directory / BEST_FILE}; to train it: {train_command(plan.directory)}",
            file=sys.stderr,
        )
        places = {"runs": plan.directory, "output": plan.directory / "report"}
        report = [f"{key}={literal_path(str(place))}" for key, place in places.items()]
        say(f"to compare them: {command_line('plot', report)}", file=sys.stderr)
    return all(entry.exit_code == EXIT_DIVERGED for entry in failed)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code, 1 if runs failed."""
    outcomes: list[bool] = []
    code = run(lambda words: outcomes.append(main(words)), words)
    return EXIT_FAILED_TRIALS if outcomes == [False] else code


if __name__ == "__main__":
    sys.exit(command())
