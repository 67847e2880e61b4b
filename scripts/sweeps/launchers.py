"""Where a sweep's trials run: in processes of this machine, or on a Ray cluster. The processes are the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engram.run_files.plain_files import follow_no_link
from engram.training.actors.ray_cluster import start_ray


class Launcher(Protocol):
    """Starts the processes of trials, and says when they have ended."""

    def has_room(self) -> bool:
        """Whether another process may be started."""

    def start(self, name: str, words: Sequence[str], log: Path) -> None:
        """Start `python -m engram.scripts.sweeps.trial` with `words`; what it prints is added to `log`."""

    def ended(self) -> list[tuple[str, int]]:
        """Names and exit codes of the processes that have ended since the last call; a signal's are negative."""

    def stop(self, name: str | None = None) -> None:
        """Ask a process, or all of them, to save and end; `ended` tells when they have."""

    def close(self) -> None:
        """End all processes."""


def make_launcher(options: Mapping[str, Any], device: str, threads: int) -> Launcher:
    """Make the launcher that a sweep's options ask for.

    Args:
        options: the group `sweep` of its configuration.
        device: of the trials.
        threads: of each trial.
    """
    if options["launcher"] == "ray":
        return RayPool(options["workers"], options["address"], options["gpus_per_trial"], threads)
    default = 1 if device != "cpu" else one_per_core(threads)
    return LocalPool(options["workers"] or default, threads)


def one_per_core(threads: int) -> int:
    """How many processes of so many threads fill the cores of this machine, at least one."""
    return max((os.cpu_count() or 1) // threads, 1)


class LocalPool:
    """Processes of this machine, each with the threads it asks for and no part in one another's fate.

    Args:
        workers: how many at a time.
        threads: of each.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self._workers, self._threads = workers, threads
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def has_room(self) -> bool:  # noqa: D102
        return len(self._processes) < self._workers

    def start(self, name: str, words: Sequence[str], log: Path) -> None:  # noqa: D102
        self._processes[name] = start_trial(words, str(log), self._threads, os.getcwd())

    def ended(self) -> list[tuple[str, int]]:  # noqa: D102
        codes = {name: process.poll() for name, process in self._processes.items()}
        ended = [(name, code) for name, code in codes.items() if code is not None]
        for name, _ in ended:
            _release(self._processes.pop(name))
        return ended

    def stop(self, name: str | None = None) -> None:  # noqa: D102
        for own, process in self._processes.items():
            if name in (None, own):
                process.terminate()

    def close(self) -> None:  # noqa: D102
        for process in self._processes.values():
            process.kill()
            process.wait()
            _release(process)
        self._processes.clear()


def start_trial(words: Sequence[str], log: str, threads: int, directory: str) -> subprocess.Popen[bytes]:
    """Start a trial's process; it dies once its standard input, a pipe of this process, is closed.

    Args:
        words: of `engram.scripts.sweeps.trial`.
        log: gets what it prints.
        threads: of the libraries it uses.
        directory: to start it in.
    """
    with open(log, "ab", opener=follow_no_link) as output:
        return subprocess.Popen(
            [sys.executable, "-m", "engram.scripts.sweeps.trial", *words],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
            start_new_session=True,  # Ctrl-C is the sweep's to handle
        )


def _release(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


class RayPool:
    """Tasks of a Ray cluster, each of which starts one trial's process and waits for it.

    All machines need Engram installed, and the sweep's folder under the same path.

    Args:
        workers: at most so many at a time; None: as many as the cluster has room for.
        address: of the cluster, `auto` for the one that runs here; None starts Ray on this machine alone.
        gpus_per_trial: share of a GPU for each.
        threads: CPU cores for each.
    """

    def __init__(self, workers: int | None, address: str | None, gpus_per_trial: float, threads: int) -> None:
        cores = max(os.cpu_count() or 1, (workers or 1) * threads)
        self._ray = ray = start_ray("launcher=ray", "launcher=local", address, cores)
        self._workers, self._gpus, self._threads = workers, gpus_per_trial, threads
        self._names: dict[Any, tuple[str, Path]] = {}
        # By value: a worker may look for modules elsewhere than this process does.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self._run = ray.remote(num_cpus=threads, num_gpus=gpus_per_trial, max_retries=0)(wait_for_trial)

    def has_room(self) -> bool:  # noqa: D102
        resources = self._ray.cluster_resources()
        room = int(resources.get("CPU", 0)) // self._threads
        if self._gpus:
            room = min(room, int(resources.get("GPU", 0) / self._gpus))
        return len(self._names) < (room if self._workers is None else min(room, self._workers))

    def start(self, name: str, words: Sequence[str], log: Path) -> None:  # noqa: D102
        task = self._run.remote(list(words), str(log.absolute()), self._threads, os.getcwd())
        self._names[task] = name, log

    def ended(self) -> list[tuple[str, int]]:  # noqa: D102
        if not self._names:
            return []
        done, _ = self._ray.wait(list(self._names), num_returns=len(self._names), timeout=0)
        ended = []
        for task in done:
            name, log = self._names.pop(task)
            try:
                code = int(self._ray.get(task))
            except self._ray.exceptions.RayError as error:
                code = 1
                with open(log, "a", opener=follow_no_link) as file:
                    file.write(f"Ray lost the worker: {' '.join(str(error).split())[:200]}\n")
            ended.append((name, code))
        return ended

    def stop(self, name: str | None = None) -> None:  # noqa: D102
        for task, (own, _) in self._names.items():
            if name in (None, own):
                self._ray.cancel(task, force=False)

    def close(self) -> None:  # noqa: D102
        self._ray.shutdown()


def wait_for_trial(words: Sequence[str], log: str, threads: int, directory: str) -> int:
    """Run a trial's process to its end, and return its exit code; see `start_trial`.

    Where Ray cancels the task, which it does by a KeyboardInterrupt, the trial is asked to save and end.
    """
    process = start_trial(words, log, threads, directory)
    try:
        return _wait(process)
    except KeyboardInterrupt:
        process.terminate()
        return _wait(process)
    finally:
        process.kill()


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process in steps, between which Ray's interrupt can come through."""
    while (code := process.poll()) is None:
        time.sleep(0.1)
    return code
