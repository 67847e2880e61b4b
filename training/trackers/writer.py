"""Gives an experiment tracker the lines of a run that stand: those that a checkpoint counts on.

A continued run cuts its log where its checkpoint stands and logs again from there, which a tracker cannot: what it has
been given stays. So each line waits for the checkpoint after it, and is given once.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from engram.common.errors import UsageError
from engram.common.say import say
from engram.run_files.fixed_config import MACHINE, fixed_part
from engram.run_files.metrics_log import read_metrics
from engram.run_files.names import METRICS_FILE
from engram.run_files.tracked import Tracked, read_tracked, write_tracked
from engram.training.callbacks import Callback, Trainer
from engram.training.record import Metrics
from engram.training.trackers.tracker import MOST_METRICS, Line, Tracker


class TrackerWriter(Callback):
    """Writes the lines and pictures of a run to an experiment tracker.

    A tracker that cannot be reached while the run goes on costs a note: its lines are given with the next checkpoint's.

    Args:
        tracker: where to.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._tracked: Tracked | None = None  # until it is open
        self._due: list[Line] = []
        self._waiting: list[Line] = []
        self._media: dict[str, Tensor] = {}
        self._has_noted_failure = False

    def on_start(self, trainer: Trainer) -> None:
        """Open the run there, and give it what stands in the run's log and is not there yet.

        Raises:
            UsageError: if it cannot be opened.
        """
        tracker, run_dir = self._tracker, trainer.run_dir
        known = read_tracked(run_dir, tracker.name)
        config = fixed_part(trainer.config, MACHINE)  # paths and servers are nobody's there
        try:
            id = tracker.open(_name_of(run_dir), config, None if known is None else known.id)
            env_steps = tracker.last_step()
        except tracker.errors as error:
            raise UsageError(
                f"{tracker.title} must take this run, but got: {' '.join(str(error).split())}; mend that, or leave it "
                f"out of logging.to."
            ) from error
        if env_steps is None:
            env_steps = -1 if known is None else known.env_steps
        self._tracked = Tracked(id, env_steps)
        write_tracked(run_dir, tracker.name, self._tracked)
        self._due = [_line(row.pop("env_steps"), row) for row in read_metrics(run_dir / METRICS_FILE)]
        self._send(run_dir)

    def on_media(self, trainer: Trainer, media: Mapping[str, Tensor]) -> None:
        """Keep pictures for the line that follows them."""
        self._media |= media

    def on_log(self, trainer: Trainer, metrics: Metrics) -> None:
        """Keep a line for the next checkpoint."""
        self._waiting.append(_line(trainer.env_steps, metrics, self._media))
        self._media = {}

    def on_checkpoint(self, trainer: Trainer, name: str, path: Path) -> None:
        """Give the lines that the checkpoint counts on."""
        if name == "latest":
            self._due += self._waiting
            self._waiting = []
            self._send(trainer.run_dir)

    def on_end(self, trainer: Trainer) -> None:
        """Give what could not be given before, and end the run there."""
        if self._tracked is None:
            return  # it could not be opened
        self._send(trainer.run_dir)
        try:
            self._tracker.close(trainer.has_failed)
        except self._tracker.errors as error:
            self._note(error)

    def _send(self, run_dir: Path) -> None:
        """Give the lines that are due; what it has is written down after each part."""
        assert self._tracked is not None
        self._due = [line for line in self._due if line.env_steps > self._tracked.env_steps]
        try:
            for part in _parts(self._due):
                self._tracker.log(part)
                self._tracked = replace(self._tracked, env_steps=part[-1].env_steps)
                write_tracked(run_dir, self._tracker.name, self._tracked)
        except self._tracker.errors as error:
            self._note(error)
            return
        self._due, self._has_noted_failure = [], False

    def _note(self, error: Exception) -> None:
        if not self._has_noted_failure:
            text = " ".join(str(error).split())
            say(
                f"note: {self._tracker.title} does not take the run's lines ({text}); they are given again with the "
                "next checkpoint, or when the run is continued",
                file=sys.stderr,
            )
        self._has_noted_failure = True


def _line(env_steps: int, metrics: Mapping[str, Any], media: Mapping[str, Tensor] | None = None) -> Line:
    """A line without what is no finite number: `metrics.jsonl` has null in its place."""
    finite = {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}
    return Line(env_steps, finite, media or {})


def _parts(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Whole lines, as many as a tracker takes at once."""
    part: list[Line] = []
    for line in lines:
        if part and sum(len(one.metrics) for one in (*part, line)) > MOST_METRICS:
            yield part
            part = []
        part.append(line)
    if part:
        yield part


def _name_of(run_dir: Path) -> str:
    """What a run is called: environment, agent and core, and its own folder, as far as these name it."""
    return "/".join(run_dir.resolve().parts[-3:]).lstrip("/")
