"""Train an agent: `engram train agent=ppo core=s5 env=popgym/repeat_previous_easy`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from engram.api.training_run import train_run
from engram.command_line.flags import answer
from engram.command_line.resuming import resume_command
from engram.common.say import say
from engram.scripts.faults.errors import run
from engram.training.stop_request import StopRequest


def main(words: Sequence[str]) -> None:
    """Start a run, or continue one with `resume=<run dir>`.

    Raises:
        StoppedError: if a signal asked the run to stop; its checkpoint is on disk.
    """
    if (text := answer("train", words)) is not None:
        say(*text.split("\n"))
        return
    stop = StopRequest("stopping: this iteration is finished and saved first; a second signal ends at once")
    outcome = train_run(words, stop, functools.partial(resume_command, words=words))
    if not outcome.is_finished:
        raise stop.error()


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
