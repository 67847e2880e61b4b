"""Soak: whether a training that runs on and on holds no more of the machine than it did, and leaves nothing behind.

Each case is `engram train` in a process of its own, as a user starts it, with evaluations and checkpoints all the
while. What it and its processes hold is noted every few seconds; then it is killed, and what is left is counted. No
time is measured, so the machine may be busy.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from engram.benchmarks.options import BenchmarkOptions, Names, chosen
from engram.benchmarks.processes import Holding, Process, family, held_by, running
from engram.benchmarks.trend import Trend, fit_trend, has_grown, rises_little
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Positive, Word
from engram.common.say import say
from engram.training.stop_request import StopRequest


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark.

    Args:
        cases: all, or a list of native, sync, async, world_model.
        seconds: of each case.
        warm_up: of them, in which memory may grow.
        interval: seconds between measurements.
        folder: where the runs are made, and removed; null: the system's folder for temporary files.
    """

    cases: Names = "all"
    seconds: Positive = 600
    warm_up: Positive = 120
    interval: Positive = 5
    folder: Word | None = None


_ALWAYS = (
    "total_env_steps=1_000_000_000_000",
    "checkpoint.interval_minutes=0.25",
    "evaluation.episodes=4",
    "evaluation.num_envs=2",
    "logging.progress=false",
)
_CART_POLE = (
    "env=gymnasium",
    "env.id=CartPole-v1",
    "core=gru",
    "core.hidden_size=32",
    "evaluation.interval=20_000",
)
# What a user would train, small. A world model's replay is full before the warm-up is over, and its pictures have been
# drawn often enough that Python has come to collect what they leave.
CASES = {
    "native": (
        "env=popgym/repeat_previous_easy",
        "core=s5",
        "core.hidden_size=32",
        "evaluation.interval=100_000",
    ),
    "sync": (*_CART_POLE, "num_envs=8"),
    "async": (*_CART_POLE, "num_envs=2", "agent.num_minibatches=2", "env.vectorization=async"),
    "world_model": (
        "agent=r2i",
        "agent.units=32",
        "agent.memory_size=32",
        "agent.num_categoricals=4",
        "agent.batch_size=4",
        "agent.batch_length=16",
        "agent.rollout_length=4",
        "agent.train_ratio=1",
        "core=r2i",
        "core.hidden_size=16",
        "env=diagnostic/recall_first",
        "num_envs=4",
        "agent.replay.capacity_bytes=400_000",
        "agent.replay.prefill=200",
        "agent.replay.log_interval=200",
        "evaluation.interval=40",
    ),
}
_END_SECONDS = 30.0  # until everything that a killed training started has ended
_MEMORY = ("rss", "uss", "uss_workers")
_RISE, _LEAST_RISE = 0.01, 2**20
_RULE = (
    "flat: after the warm-up the line fitted to memory (rss, uss, uss_workers) rises over all that was measured by at "
    "most 1 %, or 1 MiB, and the median of the last quarter of files, threads, processes and shared is not above that "
    "of the first. Where there are workers uss is shown and not judged: pages that a fork shares become the training's "
    "own as it writes to them, and rss counts them all the while. 30 seconds after the kill no process is left, and no "
    "file in /dev/shm."
)


@dataclass(frozen=True)
class Soaked:
    """What was seen of one training.

    Attributes:
        minutes: since it began, of every measurement.
        holdings: the measurements.
        processes: all that it has started, with itself.
        shared: names below /dev/shm that were in use.
        env_steps: how far it came.
    """

    minutes: Sequence[float]
    holdings: Sequence[Holding]
    processes: set[Process]
    shared: set[str]
    env_steps: int


def measure(options: Options) -> dict[str, Any]:
    """Print what every case held and whether it was flat; returns the numbers.

    Raises:
        UsageError: if a case does not exist, a training ends by itself, or this is no Linux.
    """
    names = chosen("cases", options.cases, CASES)
    if options.seconds < options.warm_up + 8 * options.interval:
        raise UsageError(
            f"seconds must leave eight measurements after the warm-up, but {options.seconds} do not; set a longer "
            "time, or a shorter warm_up or interval."
        )
    if not Path("/proc/self/smaps_rollup").exists():
        raise UsageError("A soak reads /proc, which only Linux has, but this system has none; run it there.")
    results = []
    for name in names:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            results.append(soak_case(name, Path(folder), options))
        _print(results[-1])
    return {"rule": _RULE, "results": results}


def soak_case(name: str, folder: Path, options: Options) -> dict[str, Any]:
    """Train for so many seconds, kill it, and judge what it held after the warm-up.

    Args:
        name: of the case.
        folder: for the run and the training's output.
        options: how long, and how often what is held is noted.
    """
    soaked, left = _train_and_kill(name, folder, options)
    after = [index for index, minute in enumerate(soaked.minutes) if 60 * minute >= options.warm_up]
    minutes = [soaked.minutes[index] for index in after]
    quantities = {}
    for field in fields(Holding):
        values = [float(getattr(soaked.holdings[index], field.name)) for index in after]
        trend = fit_trend(minutes, values)
        quantities[field.name] = {
            **asdict(trend),
            "by_minute": _by_minute(minutes, values),
            "is_flat": _is_flat(field.name, trend, minutes[-1] - minutes[0], len(soaked.processes)),
        }
    shared_left = sorted(path for path in soaked.shared if Path(path).exists())
    is_clean = (
        not left and not shared_left and all(entry["is_flat"] is not False for entry in quantities.values())
    )
    return {
        "case": name,
        "options": [*CASES[name], *_ALWAYS],
        "minutes": minutes[-1] - minutes[0],
        "measurements": len(after),
        "env_steps": soaked.env_steps,
        "quantities": quantities,
        "processes_started": len(soaked.processes),
        "processes_left": len(left),
        "shared_left": len(shared_left),
        "is_flat": is_clean,
    }


def _is_flat(name: str, trend: Trend, minutes: float, processes: int) -> bool | None:
    """What the rule says of a quantity; None where it says nothing."""
    if name == "uss" and processes > 1:
        return None
    return rises_little(trend, minutes, _RISE, _LEAST_RISE) if name in _MEMORY else not has_grown(trend)


def _train_and_kill(name: str, folder: Path, options: Options) -> tuple[Soaked, set[Process]]:
    """Returns what was seen, and the processes that were still there long after the training was killed."""
    run_dir, log = folder / "run", folder / "log.txt"
    words = [*CASES[name], *_ALWAYS, f"logging.run_dir={run_dir}"]
    stop = StopRequest("stopping: the training that soaks is ended first")
    with stop, log.open("wb") as output:
        training = subprocess.Popen(
            [sys.executable, "-m", "engram.scripts.train", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            start, minutes, holdings = time.monotonic(), [], []
            processes: set[Process] = set()
            shared: set[str] = set()
            while (elapsed := time.monotonic() - start) < options.seconds:
                if stop.is_asked():
                    raise stop.error()
                found = family(training.pid)
                if training.poll() is not None:
                    raise UsageError(
                        f"The training of {name} must not end by itself, but it did: {_last_line(log)}"
                    )
                holding, names = held_by(found)
                minutes.append(elapsed / 60)
                holdings.append(holding)
                processes |= set(found)
                shared |= names
                time.sleep(options.interval)
            processes |= set(family(training.pid))
        finally:
            training.kill()
            training.wait()
    return Soaked(minutes, holdings, processes, shared, _env_steps(run_dir)), _outlived(processes)


def _outlived(processes: set[Process]) -> set[Process]:
    """Wait until all have ended; returns those that do not."""
    deadline = time.monotonic() + _END_SECONDS
    while (left := running(processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").splitlines() or ["it has said nothing"])[-1]


def _env_steps(run_dir: Path) -> int:
    """How far a run has logged."""
    log = run_dir / "metrics.jsonl"
    whole = [line for line in log.read_text().splitlines() if line.endswith("}")] if log.exists() else []
    return int(json.loads(whole[-1])["env_steps"]) if whole else 0


def _by_minute(minutes: Sequence[float], values: Sequence[float]) -> list[float]:
    """Medians of the measurements of every minute."""
    groups: dict[int, list[float]] = {}
    for minute, value in zip(minutes, values, strict=True):
        groups.setdefault(int(minute), []).append(value)
    return [statistics.median(group) for group in groups.values()]


def _print(result: dict[str, Any]) -> None:
    verdict = "flat" if result["is_flat"] else "NOT FLAT"
    say(f"{result['case']}: {verdict} over {result['minutes']:.1f} minutes, {result['env_steps']:,} steps")
    for name, entry in result["quantities"].items():
        unit = 2**20 if name in _MEMORY else 2**10 if name == "shared" else 1
        say(
            f"  {name:<12}{entry['first'] / unit:>10.1f} → {entry['last'] / unit:>8.1f}"
            f"{entry['per_minute'] / unit:>10.3f} ± {entry['error'] / unit:.3f} a minute",
            flush=True,
        )
    say(
        f"  left after the kill: {result['processes_left']} of {result['processes_started']} processes",
        flush=True,
    )
