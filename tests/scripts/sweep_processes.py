"""The processes of a sweep's trials, looked for and ended as a user or a failing machine would."""

import contextlib
import os
import signal
import time
from pathlib import Path


def trial_processes(folder):
    """Process ids of the trials whose run lies in `folder`, by run folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if "engram.scripts.sweeps.trial" in words:
                run_dir = words[words.index("engram.scripts.sweeps.trial") + 1]
                if run_dir.startswith(f"{folder}/"):
                    found[Path(run_dir)] = int(path.parent.name)
    return found


def kill_trial(folder, run_dir):
    """End a trial's process without notice; says whether there was one."""
    pid = trial_processes(folder).get(run_dir)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pid is not None


def wait_for_none(folder, seconds=240):
    """Wait until no trial runs any more; returns how long that took.

    One that has only just been started looks for its sweep once it has imported everything: on a machine with much
    else to do that takes a minute.
    """
    start = time.monotonic()
    while trial_processes(folder):
        assert time.monotonic() - start < seconds, "a trial has outlived its sweep"
        time.sleep(0.02)
    return time.monotonic() - start


def lines_in(run_dir):
    """How many lines a run has logged."""
    path = run_dir / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0
