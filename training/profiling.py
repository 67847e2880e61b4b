"""A profile of a few iterations of a run: where its time goes, on one screen and as a trace."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from engram.common.say import say
from engram.training.session import Session

WARM_UP, ITERATIONS, UPDATES = 3, 2, 20
"""Iterations before the profile, of those that learn; those that it is of; and the most updates in it: a trace takes
some 80 MB of memory for each of a world model, which may make hundreds in an iteration."""
FOLDER, TRACE, SUMMARY = "profile", "trace.json.gz", "summary.txt"
COLLECT, ENVIRONMENTS, UPDATE = "collect", "environments", "update"
OPERATIONS = 12
"""Lines of the table of operations."""


@contextmanager
def profiled(session: Session, run_dir: Path) -> Iterator[None]:
    """Profile iterations of what is trained within the block; nothing that is learnt changes by it.

    Writes a trace, for chrome://tracing or Perfetto, and the summary, which is printed too, into the run's folder.

    Args:
        session: of the run.
        run_dir: the run's folder.
    """
    found = _Profile(session, run_dir / FOLDER)
    with ExitStack() as marked:
        marked.callback(found.close)
        env: Any = session.driver.env
        marked.enter_context(_marked(env, "step_sampled", ENVIRONMENTS))
        marked.enter_context(_marked(session.agent, "update", UPDATE, found.begin_update))
        marked.enter_context(_marked(session.driver, "collect", COLLECT, found.begin_iteration))
        yield


@contextmanager
def _marked(owner: Any, method: str, name: str, before: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within the block an object's method is a named part of the profile, and `before` is called before it."""
    call = getattr(owner, method)

    def named(*arguments: Any, **options: Any) -> Any:
        before()
        with record_function(name):
            return call(*arguments, **options)

    setattr(owner, method, named)
    try:
        yield
    finally:
        delattr(owner, method)  # the class's is there again


class _Profile:
    def __init__(self, session: Session, folder: Path) -> None:
        self._session, self._folder = session, folder
        self._profiler: profile | None = None
        self._is_done = False
        self._iterations = self._updates = 0
        self._began, self._env_steps = 0.0, 0

    def begin_iteration(self) -> None:
        """Take note that a rollout is about to be collected."""
        if self._is_done or self._session.agent.num_updates == 0:
            return
        self._iterations += 1
        if self._iterations == WARM_UP:
            activities = [ProfilerActivity.CPU]
            if self._session.agent.device.type == "cuda":
                activities.append(ProfilerActivity.CUDA)
            self._profiler = profile(activities=activities)
            self._profiler.start()
            self._began, self._env_steps = time.perf_counter(), self._session.driver.env_steps
        elif self._iterations == WARM_UP + ITERATIONS:
            self.close()

    def begin_update(self) -> None:
        """Take note that an update is about to be made."""
        self._updates += self._profiler is not None
        if self._updates > UPDATES:
            self.close()

    def close(self) -> None:
        """End the profile, if there is one, and write it."""
        if self._is_done:
            return
        self._is_done = True
        if self._profiler is None:
            say(f"no profile: a run is profiled from its iteration {WARM_UP + 1} on", file=sys.stderr)
            return
        device = self._session.agent.device
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - self._began
        self._profiler.stop()
        steps = self._session.driver.env_steps - self._env_steps
        lines = [f"profile of {steps:,} environment steps in {seconds:.2f} s on {device}", ""]
        lines += summary_lines(self._profiler, seconds, device.type == "cuda")
        self._folder.mkdir(exist_ok=True)
        (self._folder / SUMMARY).write_text("\n".join(lines) + "\n")
        self._profiler.export_chrome_trace(str(self._folder / TRACE))
        say(*lines, f"trace: {self._folder / TRACE}", file=sys.stderr)


def summary_lines(profiler: Any, seconds: float, on_cuda: bool) -> list[str]:
    """Say what parts of the time went where, and the operations that took most of it by themselves.

    Args:
        profiler: a stopped `torch.profiler.profile`.
        seconds: of the profile.
        on_cuda: the operations are those of the device, and its busy share is said too.
    """
    averages = profiler.key_averages()
    named = {one.key: one.cpu_time_total / 1e6 for one in averages if one.device_type == DeviceType.CPU}
    parts = {name: named.get(name, 0.0) for name in (COLLECT, ENVIRONMENTS, UPDATE)}
    lines = [f"{'part':<40}{'seconds':>9}{'share':>8}"]
    rest = seconds - parts[COLLECT] - parts[UPDATE]
    titles = {"collect": COLLECT, "  of it environments": ENVIRONMENTS, "update": UPDATE}
    for title, value in {**{title: parts[key] for title, key in titles.items()}, "other": rest}.items():
        lines.append(f"{title:<40}{value:>9.3f}{value / seconds:>8.1%}")
    if on_cuda:
        kernels = [
            (event.time_range.start / 1e6, event.time_range.end / 1e6)
            for event in profiler.events()
            if event.device_type == DeviceType.CUDA and event.name not in parts
        ]
        busy = busy_seconds(kernels)
        lines.append(
            f"{f'device busy, {len(kernels):,} kernels and copies':<40}{busy:>9.3f}{busy / seconds:>8.1%}"
        )
    own = {
        one.key: (one.count, (one.self_device_time_total if on_cuda else one.self_cpu_time_total) / 1e6)
        for one in averages
        if one.key not in parts
    }
    lines += ["", f"{'operation, by its own time':<40}{'calls':>9}{'seconds':>9}{'share':>8}"]
    for name, (count, value) in sorted(own.items(), key=lambda item: -item[1][1])[:OPERATIONS]:
        lines.append(f"{name[:39]:<40}{count:>9,}{value:>9.3f}{value / seconds:>8.1%}")
    return lines


def busy_seconds(intervals: Iterable[Sequence[float]]) -> float:
    """Length of the union of intervals (begin, end): a device is busy while at least one kernel runs."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(map(tuple, intervals)):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total
