"""Train several seeds at once: `engram train seeds=8`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from engram.command_line.option_file import options_of_file
from engram.command_line.paths import literal_path
from engram.common.say import say
from engram.common.shell import command_line
from engram.run_files.run_lock import folder_lock
from engram.scripts.seeds.line import SeedsLine
from engram.scripts.seeds.plan import make_seeds_plan
from engram.scripts.sweeps.launchers import LocalPool
from engram.scripts.sweeps.loop import FINISHED, read_statuses
from engram.scripts.sweeps.running import have_finished, say_how_they_ended, train_trials
from engram.training.faults import usage_errors


def train_seeds(words: Sequence[str]) -> bool:
    """Begin several seeds, each a run of its own in a process of its own, or continue those of a common folder.

    Args:
        words: `key=value` of `engram train`.

    Returns:
        Whether all of them have finished.

    Raises:
        StoppedError: if a signal asked to stop; all runs have saved.
    """
    with ExitStack() as held:
        with usage_errors(), options_of_file(words):
            plan = make_seeds_plan(words)
            held.enter_context(folder_lock(plan.directory))
        statuses = read_statuses(plan.trials, plan.directory, plan.trust_edited)
        device = plan.config["device"]
        at_once = f"{min(plan.workers, len(statuses))} at a time" + (
            "" if device == "cpu" else f" on {device}"
        )
        say(f"training {len(statuses)} seeds, {at_once}, in {plan.directory}", file=sys.stderr)
        if not have_finished(statuses):
            shown = plan.config["logging"]["progress"]
            view = SeedsLine(statuses, plan.config["total_env_steps"], shown)
            pool = LocalPool(plan.workers, plan.config["threads"])
            train_trials(statuses, pool, plan.retries, view, "every seed", plan.command)
        failed = say_how_they_ended(statuses, "seeds", plan.directory)
        if any(entry.status == FINISHED for entry in statuses):
            from engram.scripts.seeds.summary import summary_of  # Matplotlib takes a second to import.

            say(*summary_of(plan.directory, plan.config["logging"]["curve"], plan.trust_edited))
            places = {"runs": plan.directory, "output": plan.directory / "report"}
            compare = [f"{key}={literal_path(str(place))}" for key, place in places.items()]
            say(f"tables and figures: {command_line('plot', compare)}", file=sys.stderr)
        if failed:
            say(f"what has failed goes on with: {plan.command}", file=sys.stderr)
    return not failed
