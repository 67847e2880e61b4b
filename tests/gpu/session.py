"""Everything that is wanted of a borrowed CUDA card, by one command and within a few minutes: `make gpu`.

    python tests/gpu/session.py --minutes 9 --wheels .wheels

Runs from a copy of the repository of any name and installs nothing into the machine's Python, which must have torch
with CUDA and triton; wheels of what else it lacks are carried along (`--download .wheels` gets them where there is
a network). A step that fails or takes too long ends no other, and the report is written after every one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from session_steps import STAGES, Step
from session_wheels import download, install

ROOT = Path(__file__).resolve().parents[2]
LEAST = 15
"""Seconds that must be left for a step to begin."""
PROBE = """
import json, platform, torch, triton
properties = torch.cuda.get_device_properties(0)
print(json.dumps({"device": properties.name, "gib": round(properties.total_memory / 2**30, 1),
    "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "python": platform.python_version(),
    "torch": torch.__version__, "triton": triton.__version__}))
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the steps asked for; returns 0 if all of them succeeded."""
    options = read_options(words)
    if options.download is not None:
        download(options.download, options.python)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if options.wheels is not None:
            install(options.wheels, scratch / "site")
        session = Session(scratch, options.output, options.minutes * 60)
        session.describe(options.commit)
        if session.about["device"] is None:
            print(
                f"A CUDA device is needed, with torch and triton for it, but: {session.about['why']}",
                file=sys.stderr,
            )
            return 2
        for stage in STAGES:
            wanted = [step for step in stage if not options.only or step.name in options.only]
            session.run(wanted)
    return 0 if session.steps and all(step["rc"] == 0 for step in session.steps) else 1


def read_options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    names = [step.name for stage in STAGES for step in stage]
    parser = argparse.ArgumentParser(description="What is wanted of a borrowed CUDA card, in a few minutes.")
    parser.add_argument("--minutes", type=float, default=9, help="in all; default: 9")
    parser.add_argument("--only", nargs="+", choices=names, help="of the steps, these alone")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks" / "gpu.json")
    parser.add_argument("--wheels", type=Path, help="folder of wheels of what this Python lacks")
    parser.add_argument("--commit", help="of the copy; default: the checkout's own")
    parser.add_argument("--download", type=Path, help="get the wheels into this folder, and do nothing else")
    parser.add_argument("--python", default="3.12", help="of the card's machine, for --download")
    return parser.parse_args(words)


class Session:
    """Runs steps within a time, and keeps the report.

    Args:
        scratch: an empty folder; what is imported from it comes first.
        output: the report.
        seconds: for all steps together.
    """

    def __init__(self, scratch: Path, output: Path, seconds: float) -> None:
        self.scratch, self.output = scratch, output
        self.end = time.monotonic() + seconds
        self.steps: list[dict[str, Any]] = []
        self.about: dict[str, Any] = {}
        self.results: dict[str, Any] = {}
        road = scratch / "road"  # the root of the copy, whatever its name, is the package `engram`
        road.mkdir()
        (road / "engram").symlink_to(ROOT)
        variables = {"OMP_NUM_THREADS": "2", "PYTHONUNBUFFERED": "1"}
        for name in ("TRITON_CACHE_DIR", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
            variables[name] = str(scratch / name.lower())
        given = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
        variables["PYTHONPATH"] = os.pathsep.join([str(road), str(scratch / "site"), *given])
        self.environment = {**os.environ, **variables}

    def describe(self, commit: str | None) -> None:
        """Write down the code, the device and the versions; `device` is None, with `why`, where there is none."""
        if commit is None:
            done = self._ask("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40")
            commit = done.stdout.strip() or "unknown"
        done = self._ask(sys.executable, "-c", PROBE)
        if done.returncode == 0:
            self.about = {"commit": commit, **json.loads(done.stdout)}
        else:
            self.about = {"commit": commit, "device": None, "why": done.stderr.strip().splitlines()[-1]}

    def _ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)

    def run(self, steps: Sequence[Step]) -> None:
        """Run steps at once, as far as there is time; then write the report."""
        began, running = time.monotonic(), []
        for step in steps:
            limit = min(step.limit, self.end - time.monotonic())
            if limit < LEAST:
                self.steps.append({"step": step.name, "rc": None, "seconds": 0, "tail": "no time was left"})
                continue
            log = (self.scratch / f"{step.name}.log").open("w")
            # A session of its own, so that what it started is ended with it.
            process = subprocess.Popen(
                self.command(step),
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            running.append((step, process, began + limit))
        for step, process, deadline in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._note(step, process.returncode, time.monotonic() - began)
        self.write()

    def command(self, step: Step) -> list[str]:
        """Return the command line of a step."""
        python = [sys.executable, "-m"]
        if step.command == "pytest":
            words = [
                *python,
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                f"--junitxml={self._path(step, 'xml')}",
            ]
            if importlib.util.find_spec("xdist"):
                words += ["-n", "8", "--dist", "worksteal"]
            if importlib.util.find_spec("pytest_timeout"):
                words += ["--timeout", "90"]
            return [*words, *step.words]
        words = [*python, f"engram.{step.command}", *step.words]
        if step.command == "benchmarks":
            return [*words, f"output={self._path(step, 'json')}"]
        return [*words, f"logging.runs_dir={self.scratch / 'runs' / step.name}"]

    def _path(self, step: Step, suffix: str) -> Path:
        return self.scratch / f"{step.name}.{suffix}"

    def _note(self, step: Step, code: int, seconds: float) -> None:
        text = (self.scratch / f"{step.name}.log").read_text(errors="replace")
        text = text.replace(str(self.scratch), "<scratch>").replace(str(ROOT), "<root>")
        kept = text[-400:] if code == 0 else text[-3000:]
        self.steps.append({"step": step.name, "rc": code, "seconds": round(seconds, 1), "tail": kept})
        print(f"{step.name}: exit code {code} after {seconds:.0f} s", flush=True)
        measured, tests = self._path(step, "json"), self._path(step, "xml")
        if measured.exists():
            self.results[step.name] = json.loads(measured.read_text())
        if tests.exists():
            self.results[step.name] = read_tests(tests.read_text(errors="replace"))

    def write(self) -> None:
        """Write the report, whole or not at all."""
        document = {"about": self.about, "steps": self.steps, "results": self.results}
        temporary = self.output.with_name(f"{self.output.name}.part")
        temporary.write_text(json.dumps(document, indent=1) + "\n")
        temporary.replace(self.output)


def read_tests(text: str) -> dict[str, Any]:
    """Read pytest's XML: the counts, and the tests that failed with the beginning of what they say."""
    counts = re.search(r'errors="(\d+)" failures="(\d+)" skipped="(\d+)" tests="(\d+)"', text)
    failed = re.findall(
        r'<testcase classname="([^"]+)" name="([^"]+)"[^>]*><(?:failure|error) message="([^"]{0,200})', text
    )
    names = ("errors", "failures", "skipped", "tests")
    numbers = map(int, counts.groups()) if counts else (None,) * 4
    return {**dict(zip(names, numbers, strict=True)), "failed": failed}


if __name__ == "__main__":
    sys.exit(main())
