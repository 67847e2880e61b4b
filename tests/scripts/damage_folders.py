"""Tiny runs, a sweep and an archive, made once and copied for every case of damage."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from damage_commands import call

import engram.run_files.logger
import engram.scripts.evaluate
import engram.scripts.plot
import engram.scripts.sweep
import engram.scripts.train

RUN, OTHER, SWEEP, ARCHIVE = "run", "other", "sweep", "runs.zip"
_QUIET = (
    "env=diagnostic/recall_first",
    "env.delay=2",
    "num_envs=2",
    "evaluation.episodes=2",
    "evaluation.num_envs=2",
    "logging.progress=false",
    "logging.curve=false",
    "logging.to=[]",
)
PPO = (
    "core.hidden_size=8",
    *_QUIET,
    "total_env_steps=128",
    "evaluation.interval=40",
    "checkpoint.interval=32",
    "checkpoint.interval_minutes=null",
    "agent.rollout_length=8",
    "agent.num_minibatches=1",
    "agent.num_epochs=1",
    "agent.make_network.head_hidden_sizes=[8]",
    "agent.make_network.make_encoder.hidden_sizes=[8]",
)
WORLD_MODEL = (
    "agent=r2i",
    "core=r2i",
    "core.hidden_size=8",
    *_QUIET,
    "total_env_steps=200",
    "evaluation.interval=120",  # it draws pictures, so never after the kill
    "checkpoint.interval=20",
    "checkpoint.interval_minutes=null",
    "agent.units=8",
    "agent.memory_size=8",
    "agent.num_categoricals=4",
    "agent.num_classes=4",
    "agent.num_layers=1",
    "agent.imagination_horizon=3",
    "agent.batch_size=2",
    "agent.batch_length=8",
    "agent.rollout_length=4",
    "agent.train_ratio=2",
    "agent.replay.capacity_bytes=9_000",
    "agent.replay.prefill=64",
    "agent.replay.log_interval=20",
)
EVALUATED = ("episodes=2", "num_envs=2")
PLOTTED = ("figures=false", "resamples=100", "points=3")


@dataclass(frozen=True)
class Base:
    """A folder to be damaged.

    Attributes:
        whole: as it was left; every case gets a copy.
        earlier: the same at an earlier moment.
        others: other folders like it, whose files could be taken for its own.
    """

    whole: Path
    earlier: Path | None = None
    others: Sequence[Path] = field(default_factory=tuple)


class Workshop:
    """Makes the bases, each at the one place `work`, which stored paths name.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.work = root / "work"
        self.work.mkdir()

    def lay_out(self, base: Base) -> Path:
        """Put a fresh copy of a base at the place where it was made; returns that."""
        shutil.rmtree(self.work)
        shutil.copytree(base.whole, self.work, symlinks=True)
        return self.work

    def _keep(self, name: str) -> Path:
        """Move what was made away from the place, under a name."""
        self.work.rename(self._root / name)
        self.work.mkdir()
        return self._root / name

    def clear(self) -> None:
        """Empty the place."""
        shutil.rmtree(self.work)
        self.work.mkdir()

    def train(self, words: Sequence[str], name: str = RUN, moments: Mapping[int, str] | None = None) -> None:
        """Train at the place; at its log lines of these numbers, the place is copied under these names."""
        with _copies_at_lines(self.work, self._root, moments or {}):
            expect(call(engram.scripts.train.main, *words, f"logging.run_dir={self.work / name}"))

    def make_runs(
        self, words: Sequence[str], name: str, moments: tuple[int, int], num_others: int
    ) -> tuple[Base, Base]:
        """Train a run; returns it as a kill leaves it, and finished, each with other runs to take files from."""
        others = []
        for number, more in enumerate(("seed=1", "env.delay=3", "core.hidden_size=16")[:num_others]):
            self.train([*words, more])
            others.append(self._keep(f"{name}-other-{number}"))
        early, late = f"{name}-early", f"{name}-killed"
        self.train(words, moments={moments[0]: early, moments[1]: late})
        shutil.copytree(others[0] / RUN, self.work / OTHER)
        if name == "ppo":
            self._evaluate()
        finished = self._keep(f"{name}-finished")
        for path in (self._root / early, self._root / late):
            names = {one.name for one in (path / RUN / "checkpoints").iterdir()}
            assert {"latest.safetensors", "latest.previous.safetensors", "best.safetensors"} <= names, names
        killed = Base(self._root / late, self._root / early, others)
        return killed, Base(finished, self._root / early, others)

    def _evaluate(self) -> None:
        for run in (RUN, OTHER):
            expect(call(engram.scripts.evaluate.main, f"run={self.work / run}", *EVALUATED))
        probe = ("probe.argument=delay", "probe.values=[2,3]")
        expect(call(engram.scripts.evaluate.main, f"run={self.work / RUN}", *EVALUATED, *probe))

    def make_sweep(self) -> Base:
        """A sweep of two trials, of which one has finished and the other was killed."""
        lines = self._lines_of_a_run
        with _copies_at_lines(self.work, self._root, {lines + 6: "sweep-early", lines + 8: "sweep-killed"}):
            expect(call(engram.scripts.sweep.main, *sweep_words(self.work)))
        self._keep("sweep-finished")
        expect(call(engram.scripts.sweep.main, *sweep_words(self.work), "env.delay=3"))
        return Base(self._root / "sweep-killed", self._root / "sweep-early", [self._keep("sweep-other")])

    @property
    def _lines_of_a_run(self) -> int:
        return len((self._root / "ppo-finished" / RUN / "metrics.jsonl").read_text().splitlines())

    def without(self, base: Base, file: str) -> Base:
        """A base that lacks a file."""
        whole = self._root / f"{base.whole.name}-without"
        shutil.copytree(base.whole, whole)
        (whole / file).unlink()
        return Base(whole, base.earlier, base.others)

    def make_archive(self, finished: Base) -> Base:
        """An archive of two runs, and others to take for it."""
        made = []
        for name in ("archive-other", "archive"):
            self.lay_out(finished)
            if name == "archive-other":
                shutil.rmtree(self.work / OTHER)
                shutil.copytree(finished.others[-1] / RUN, self.work / OTHER)
            words = (f"runs={self.work}", f"output={self.work / 'report'}", "archive=true", *PLOTTED)
            expect(call(engram.scripts.plot.main, *words))
            folder = self._root / name
            folder.mkdir()
            (self.work / "report" / ARCHIVE).rename(folder / ARCHIVE)
            made.append(folder)
        self.clear()
        return Base(made[1], None, made[:1])


def sweep_words(work: Path) -> list[str]:
    """The command of the sweep."""
    return ["core=gru", "seed=0,1", *PPO, f"sweep.dir={work / SWEEP}", "sweep.workers=1"]


def expect(said) -> None:
    """Assert that a command did what it was asked for."""
    assert said.code == 0 and said.value is not False, said.text + said.trace


@contextlib.contextmanager
def _copies_at_lines(place: Path, root: Path, moments: Mapping[int, str]) -> Iterator[None]:
    """While open, copy a folder as it stands after so many lines of a log."""
    count = 0
    log = engram.run_files.logger.Logger.log

    def counted(logger, metrics, env_steps) -> None:
        nonlocal count
        log(logger, metrics, env_steps)
        count += 1
        if count in moments:
            shutil.copytree(place, root / moments[count])

    with mock.patch.object(engram.run_files.logger.Logger, "log", counted):
        yield
