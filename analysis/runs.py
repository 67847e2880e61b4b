"""Run folders read back: what was measured in each, or why it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from engram.analysis.folders import DAMAGE, RUN_FILES, Folder, folder_name
from engram.analysis.metrics import EVALUATION, STEPS, Metrics, read_columns
from engram.analysis.skipped import Skipped, skip
from engram.analysis.statistics import Series
from engram.analysis.stored import (
    Description,
    StoredConfig,
    stored_config,
    stored_versions,
)
from engram.run_files.manifest import check_texts, stream_run_metrics
from engram.run_files.names import METRICS_FILE
from engram.run_files.plain_files import check_plain
from engram.run_files.run_command import RunCommand, read_command
from engram.run_files.sizes import read_sizes


@dataclass(frozen=True, eq=False)
class Run:
    """A run's folder as plain values.

    Attributes:
        folder: where it lies.
        stored: its configuration.
        versions: of packages, code and device.
        sizes: of the agent, by the names of `Agent.sizes`; empty for runs that were made before these were stored.
        metrics: what a comparison needs of them.
        solved: it stopped because an evaluation reached `evaluation.stop_at_return`.
        command: what it was asked for; None for runs that were made before this was stored.
        trust_edited: it was taken as it is.
    """

    folder: Folder
    stored: StoredConfig
    versions: dict[str, str]
    sizes: dict[str, int]
    metrics: Metrics
    solved: bool
    command: RunCommand | None = None
    trust_edited: bool = False

    @property
    def name(self) -> str:
        """Its folder, as given, or as it lies in an archive."""
        return folder_name(self.folder)

    @property
    def config(self) -> dict[str, Any]:
        """As stored."""
        return self.stored.values

    @property
    def seed(self) -> int:
        """Of the whole run."""
        return self.stored.seed

    @property
    def steps(self) -> np.ndarray:
        """Environment steps of each line of metrics [L]."""
        return self.metrics.steps

    @property
    def seconds(self) -> np.ndarray | None:
        """Spent collecting and learning up to each line [L]; None where some line does not tell."""
        return self.metrics.seconds

    @property
    def lines(self) -> Iterator[dict[str, float | None]]:
        """The lines of metrics that were read, whole, one after the other from the folder."""
        return islice(stream_run_metrics(self.folder, self.trust_edited), len(self.steps))

    def part(self, group: str) -> Description:
        """What it was built of, under `agent`, `core` or `env`."""
        return self.stored.parts[group]

    def series(self, key: str, x: str = STEPS) -> tuple[Series, np.ndarray]:
        """The measurements under a key.

        Args:
            key: one that was asked for when it was read.
            x: `env_steps` or `wall_clock`.

        Returns:
            The series, perhaps of length 0, and the environment steps of each of its points.
        """
        values = self.metrics.columns[key]
        known = ~np.isnan(values)
        axis = self.steps if x == STEPS else self.seconds
        assert axis is not None
        return Series(axis[known], values[known], self.solved), self.steps[known]


def read_run(folder: Folder, trust_edited: bool = False, keys: Sequence[str] = ()) -> Run | Skipped:
    """Read one run's folder; one that lacks a file, or holds a damaged one, is named with the reason.

    Args:
        folder: on disk or in an archive.
        trust_edited: take files that were edited since the run wrote them, with a warning that names them.
        keys: of metrics to be read beside those that every comparison needs.
    """
    name = folder_name(folder)
    try:
        if isinstance(folder, Path):
            check_plain(folder)
        missing = [file for file in RUN_FILES if not (folder / file).is_file()]
        if missing:
            return skip(name, f"{' and '.join(missing)} missing")
        check_texts(folder, trust_edited, warns=False)
        config = stored_config(folder)
        versions, sizes, command = stored_versions(folder), read_sizes(folder), read_command(folder)
    except DAMAGE as error:
        return skip(name, error)
    try:
        metrics = read_columns(stream_run_metrics(folder, trust_edited), keys)
    except DAMAGE as error:
        return skip(name, f"{METRICS_FILE} is damaged: {error}")
    if not len(metrics.steps):
        return skip(name, f"{METRICS_FILE} has no line yet")
    solved = _is_solved(config, metrics)
    return Run(folder, config, versions, sizes, metrics, solved, command, trust_edited)


def _is_solved(config: StoredConfig, metrics: Metrics) -> bool:
    returns = metrics.columns[EVALUATION]
    returns = returns[~np.isnan(returns)]
    target = config.stop_at_return
    return target is not None and len(returns) > 0 and bool(returns[-1] >= target)
