"""Train an agent: `engram train agent=ppo core=s5 env=popgym/repeat_previous_easy`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from engram.api.launching import launch_command, launched_ranks, quiet_unless
from engram.api.training_run import train_run
from engram.command_line.flags import answer
from engram.command_line.resuming import resume_command
from engram.common.errors import StoppedError
from engram.common.say import say
from engram.scripts.faults.errors import EXIT_FAILED_TRIALS, run, told_once
from engram.scripts.seeds.plan import asks_for_seeds
from engram.scripts.seeds.training import train_seeds
from engram.training.stop_request import StopRequest

_NOTICE = "stopping: this iteration is finished and saved first; a second signal ends at once"


def main(words: Sequence[str]) -> bool:
    """Start a run, or continue one with `resume=<run dir>`; under `torchrun` as one of its processes.

    Returns:
        Whether all went well: of several seeds, `seeds=8`, some may have failed.

    Raises:
        StoppedError: if a signal asked the run to stop; its checkpoint is on disk.
    """
    if (text := answer("train", words)) is not None:
        say(*text.split("\n"))
        return True
    if "RANK" not in os.environ and asks_for_seeds(words):
        return train_seeds(words)
    with launched_ranks() as ranks, told_once(ranks), quiet_unless(ranks.is_leader):
        stop = StopRequest(None if ranks.is_many else _NOTICE)
        outcome = train_run(
            words, stop, lambda run_dir: launch_command(resume_command(run_dir, words), ranks), ranks=ranks
        )
    if not outcome.is_finished:
        raise stop.error() if stop.is_asked() else StoppedError(128 + signal.SIGTERM)  # another process was
    return True


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code, 1 if some seeds have failed."""
    outcomes: list[bool] = []
    code = run(lambda words: outcomes.append(main(words)), words)
    return EXIT_FAILED_TRIALS if outcomes == [False] else code


if __name__ == "__main__":
    sys.exit(command())
