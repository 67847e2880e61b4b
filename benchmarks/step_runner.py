"""Steps in processes of their own, within a time: one that fails or hangs ends no other."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from engram.benchmarks.steps import Step
from engram.common.say import say

ROOT = Path(__file__).resolve().parents[1]
LEAST = 15
"""Seconds that must be left for a step to begin."""
POLL = 0.05
"""Seconds between two looks at what runs."""
LISTED, KEPT = 100, 1000
"""Failed tests in the report, and characters of each."""


class _Running(NamedTuple):
    step: Step
    process: subprocess.Popen[bytes]
    deadline: float


class StepRunner:
    """Runs steps, and keeps what came of them.

    Args:
        scratch: an empty folder for logs, runs and results.
        seconds: for all steps together.
        should_stop: says whether everything is to end now.

    Attributes:
        steps: name, exit code (None: no time was left), seconds and last lines of each.
        results: what the steps measured, by name.
    """

    def __init__(
        self, scratch: Path, seconds: float, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self.scratch, self._should_stop = scratch, should_stop
        self.steps: list[dict[str, Any]] = []
        self.results: dict[str, Any] = {}
        self._end = time.monotonic() + seconds
        # Kernels are built anew: what is left of another build is not measured.
        caches = {name: str(scratch / name.lower()) for name in ("TRITON_CACHE_DIR", "MPLCONFIGDIR")}
        self._environment = {"OMP_NUM_THREADS": "2", **os.environ, **caches, "PYTHONUNBUFFERED": "1"}

    def run(self, steps: Sequence[Step]) -> None:
        """Run steps at once, as far as there is time."""
        began, running = time.monotonic(), []
        try:
            for step in steps:
                limit = min(step.limit, self._end - time.monotonic())
                if limit < LEAST:
                    self.steps.append(
                        {"step": step.name, "rc": None, "seconds": 0, "tail": "no time was left"}
                    )
                else:
                    running.append(_Running(step, self._begin(step), began + limit))
            for step, process, deadline in running:
                while process.poll() is None:
                    if time.monotonic() > deadline or self._should_stop():
                        _kill(process)
                    time.sleep(POLL)
                self._note(step, process.returncode, time.monotonic() - began)
        finally:
            for _, process, _ in running:
                if process.poll() is None:
                    _kill(process)

    def _begin(self, step: Step) -> subprocess.Popen[bytes]:
        with self._path(step, "log").open("wb") as log:
            # A session of its own, so that what it started is ended with it.
            return subprocess.Popen(
                self.command(step),
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def command(self, step: Step) -> list[str]:
        """Return the command line of a step."""
        python = [sys.executable, "-m"]
        if step.command == "pytest":
            python += ["pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={self._path(step, 'xml')}"]
            if importlib.util.find_spec("xdist"):
                python += ["-n", "8", "--dist", "worksteal"]
            if importlib.util.find_spec("pytest_timeout"):
                python += ["--timeout", "90"]
            return [*python, *step.words]
        words = [*python, f"engram.{step.command}", *step.words]
        if step.command == "benchmarks":
            return [*words, f"output={self._path(step, 'json')}"]
        return [*words, f"logging.runs_dir={self.scratch / 'runs' / step.name}"]

    def _path(self, step: Step, suffix: str) -> Path:
        return self.scratch / f"{step.name}.{suffix}"

    def _note(self, step: Step, code: int, seconds: float) -> None:
        text = self._path(step, "log").read_text(errors="replace")
        text = text.replace(str(self.scratch), "<scratch>").replace(str(ROOT), "<root>")
        kept = text[-400:] if code == 0 else text[-3000:]
        self.steps.append({"step": step.name, "rc": code, "seconds": round(seconds, 1), "tail": kept})
        say(f"{step.name}: exit code {code} after {seconds:.0f} s", flush=True)
        measured, tests = self._path(step, "json"), self._path(step, "xml")
        if measured.exists():
            document = json.loads(measured.read_text())
            document.get("config", {}).pop("output", None)  # a place of this machine
            self.results[step.name] = document
        if tests.exists():
            self.results[step.name] = read_tests(tests.read_text(errors="replace"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_tests(text: str) -> dict[str, Any]:
    """Read pytest's XML: the counts, and the tests that failed with the end of what they say.

    Returns:
        `errors`, `failures`, `skipped`, `tests`, and `failed`: module, name and last lines of each of the first LISTED.
        Without counts if pytest was ended before it had written them.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return {"failed": []}
    suite, failed = root if root.tag == "testsuite" else root[0], []
    for case in suite.iter("testcase"):
        said = case.find("failure")
        said = case.find("error") if said is None else said
        if said is not None:
            failed.append((case.get("classname"), case.get("name"), (said.text or "").strip()[-KEPT:]))
    counts = {name: int(suite.get(name, 0)) for name in ("errors", "failures", "skipped", "tests")}
    return {**counts, "failed": failed[:LISTED]}
