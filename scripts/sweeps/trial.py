"""The process of one trial: `python -m scripts.sweeps.trial <run dir> key=value …`, started by a launcher of a sweep.

It begins the run, or continues it from its checkpoint. It lives no longer than its standard input is open: the launcher
holds the other end, so a trial dies with it, however that ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from agents.checkpoint import previous_path
from agents.run_folder import checkpoint_path
from scripts.errors import UsageError, run
from scripts.run_lock import folder_lock
from scripts.train import main as train
from scripts.words import write_value

# The trial of a driver that has just died may take a moment to die too.
LOCK_WAIT_SECONDS = 60.0
_GIVEN_ANEW = ("allow", "capture", "device", "threads")


def main(words: list[str]) -> None:
    """Begin or continue the run in the folder that the first word names, with the other words as its options."""
    run_dir, options = Path(words[0]), words[1:]
    if run_dir.is_dir():
        with folder_lock(run_dir, LOCK_WAIT_SECONDS):
            begun = has_checkpoint(run_dir)
            if not begun:
                # It was stopped before its first checkpoint, so nothing is lost.
                shutil.rmtree(run_dir)
        if begun:
            anew = [word for word in options if word.lstrip("+").partition("=")[0] in _GIVEN_ANEW]
            train([f"resume={run_dir}", *anew])
            return
    train([*options, f"logging.run_dir={write_value(str(run_dir))}", "logging.progress=false"])


def has_checkpoint(run_dir: Path) -> bool:
    """Whether a run can be continued."""
    latest = checkpoint_path(run_dir, "latest")
    return latest.exists() or previous_path(latest).exists()


def die_with_the_launcher() -> None:
    """End this process at once when its standard input ends."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def command() -> int:
    """Entry point: returns the exit code."""
    if len(sys.argv) < 2:
        raise UsageError("A trial needs a run's folder, but got no word; use python -m scripts.sweep.")
    die_with_the_launcher()
    return run(lambda words: main(list(words)))


if __name__ == "__main__":
    sys.exit(command())
