"""One trial's process: `python -m engram.scripts.sweeps.trial <run dir> key=value …`, started by a sweep's launcher.

It begins the run, or continues it from its checkpoint. It lives hardly longer than its standard input is open: the
launcher holds the other end, so a trial saves and ends with it, however that ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engram.command_line.paths import literal_path
from engram.command_line.resuming import allow_words
from engram.common.errors import UsageError, WorkerFault
from engram.run_files.run_lock import folder_lock
from engram.run_files.unbegun import holds_checkpoint, is_bare, is_unbegun
from engram.scripts.faults.errors import EXIT_FAULT, run
from engram.scripts.sweeps.trial_state import EXIT_USER_CODE
from engram.scripts.train import main as train
from engram.training.user_code import place_in_user_code

# The trial of a launcher that has just died saves and ends, or is ended after so long; the next one waits for that.
SAVE_SECONDS = 30.0
LOCK_WAIT_SECONDS = 60.0
_GIVEN_ANEW = ("capture", "device", "threads", "trust_edited")


def main(words: list[str]) -> None:
    """Begin or continue the run in the folder that the first word names, with the other words as its options.

    Raises:
        UsageError: if it can do neither, and the folder holds what could be missed.
    """
    run_dir, options = Path(words[0]), words[1:]
    if run_dir.is_dir():
        with folder_lock(run_dir, LOCK_WAIT_SECONDS):
            goes_on, is_empty = holds_checkpoint(run_dir) or is_unbegun(run_dir), is_bare(run_dir)
        if goes_on:
            anew = [word for word in options if word.lstrip("+").partition("=")[0] in _GIVEN_ANEW]
            train([f"resume={run_dir}", *anew, *allow_words(options)])
            return
        if not is_empty:
            raise UsageError(
                f"A trial goes on from its last checkpoint, but {run_dir} has none and holds other results; put its "
                "checkpoints/latest.safetensors back, or move the folder away to train it from the start."
            )
    train([*options, f"logging.run_dir={literal_path(str(run_dir))}", "logging.progress=false"])


def end_with_the_launcher() -> None:
    """Ask this process to save and end when its standard input ends."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SAVE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def command() -> int:
    """Entry point: returns the exit code, which tells an error of the user's own code from others."""
    if len(sys.argv) < 2:
        raise UsageError("A trial needs a run's folder, but got no word; use engram sweep.")
    end_with_the_launcher()
    codes: list[int] = []

    def begin(words: Sequence[str]) -> None:
        try:
            main(list(words))
        except Exception as error:
            codes.extend(_codes_of(error))
            raise

    code = run(begin)
    return codes[0] if codes else code


def _codes_of(error: Exception) -> Iterator[int]:
    """The exit code of an error for which a command's own does not tell whether it would come again."""
    if place_in_user_code(error) is not None:
        yield EXIT_USER_CODE
    elif isinstance(error, WorkerFault) or isinstance(error.__cause__, WorkerFault):
        yield EXIT_FAULT  # a process was killed, as a system does that runs out of memory: try again


if __name__ == "__main__":
    sys.exit(command())
