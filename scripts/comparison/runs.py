"""Run folders read back: what was measured in each, or why it cannot be used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.manifest import check_texts, stream_run_metrics
from agents.run_files import METRICS_FILE, SIZES_FILE, VERSIONS_FILE
from agents.run_folder import read_config
from scripts.comparison.folders import DAMAGE, RUN_FILES, Folder, folder_name
from scripts.run_command import RunCommand, read_command
from scripts.statistics import Series

TRAINING, EVALUATION = "charts/episodic_return", "eval/episodic_return"
STEPS, SECONDS = "env_steps", "wall_clock"
TIMES = ("time/collect_seconds", "time/update_seconds")


@dataclass(frozen=True)
class Skipped:
    """A run that is left out of everything.

    Attributes:
        name: its folder, as given.
        reason: in words.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Run:
    """A run's folder as plain values.

    Attributes:
        name: its folder, as given, or as it lies in an archive.
        config: as stored.
        versions: of packages, code and device.
        sizes: of the agent, by the names of `agent_sizes`; empty for runs that were made before these were stored.
        steps: environment steps of each line of metrics [L].
        seconds: spent collecting and learning up to each line, over all resumptions [L]; None where some
            line does not tell.
        lines: the metrics.
        solved: it stopped because an evaluation reached `evaluation.stop_at_return`.
        command: what it was asked for; None for runs that were made before this was stored.
    """

    name: str
    config: dict[str, Any]
    versions: dict[str, str]
    sizes: dict[str, int]
    steps: np.ndarray
    seconds: np.ndarray | None
    lines: Sequence[dict[str, float | None]]
    solved: bool
    command: RunCommand | None = None

    @property
    def seed(self) -> int:
        """Of the whole run."""
        return int(self.config["seed"])

    def series(self, key: str, x: str = STEPS) -> tuple[Series, np.ndarray]:
        """The measurements under a key.

        Args:
            key: of `metrics.jsonl`.
            x: `env_steps` or `wall_clock`.

        Returns:
            The series, perhaps of length 0, and the environment steps of each of its points.
        """
        places = np.array([index for index, line in enumerate(self.lines) if line.get(key) is not None], int)
        values = np.array([self.lines[index][key] for index in places], float)
        axis = self.steps if x == STEPS else self.seconds
        assert axis is not None
        return Series(axis[places], values, self.solved), self.steps[places]


def read_run(folder: Folder) -> Run | Skipped:
    """Read one run's folder; one that lacks a file, or holds a damaged one, is named with the reason."""
    name = folder_name(folder)
    if folder.is_file():
        return Skipped(name, "is damaged: no archive of runs")
    missing = [file for file in RUN_FILES if not (folder / file).is_file()]
    if missing:
        return Skipped(name, f"{' and '.join(missing)} missing")
    try:
        check_texts(folder, warns=False)
        config = read_config(folder)
        versions = _read_mapping(folder / VERSIONS_FILE)
        sizes = _read_sizes(folder / SIZES_FILE)
        command = read_command(folder)
    except DAMAGE as error:
        return Skipped(name, " ".join(str(error).split()))
    try:
        lines = list(stream_run_metrics(folder))
        steps = _ascending_steps(lines)
    except DAMAGE as error:
        return Skipped(name, f"{METRICS_FILE} is damaged: {' '.join(str(error).split())}")
    if not lines:
        return Skipped(name, f"{METRICS_FILE} has no line yet")
    text_versions = {str(key): str(value) for key, value in versions.items()}
    solved = _is_solved(config, lines)
    return Run(name, config, text_versions, sizes, steps, _elapsed(lines), lines, solved, command)


def _read_mapping(path: Folder) -> dict[str, Any]:
    """Read a JSON file that holds a mapping.

    Raises:
        ValueError: names a file that does not.
    """
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is damaged")
    return found


def _read_sizes(path: Folder) -> dict[str, int]:
    """Read an agent's sizes; none where the run is older than the file.

    Raises:
        ValueError: if they are not whole numbers.
    """
    sizes = _read_mapping(path) if path.is_file() else {}
    if not all(isinstance(size, int) for size in sizes.values()):
        raise ValueError(f"{path.name} is damaged")
    return sizes


def _ascending_steps(lines: Sequence[Any]) -> np.ndarray:
    """The environment steps of each line.

    Raises:
        ValueError: if a line is not a mapping of numbers, or goes back.
    """
    steps: list[float] = []
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, dict) or not _is_number(line.get(STEPS)):
            raise ValueError(f"line {number} has no number of {STEPS}")
        wrong = [key for key, value in line.items() if value is not None and not _is_number(value)]
        if wrong:
            raise ValueError(f"line {number} has no number under {wrong[0]}")
        if steps and line[STEPS] < steps[-1]:
            raise ValueError(f"line {number} has fewer {STEPS} than the one before")
        steps.append(line[STEPS])
    return np.array(steps, float)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _elapsed(lines: Sequence[dict[str, float | None]]) -> np.ndarray | None:
    """Seconds up to each line: a continued run keeps the lines before, so their sum spans resumptions."""
    parts = [[line.get(key) for key in TIMES] for line in lines]
    if any(part is None for both in parts for part in both):
        return None
    return np.cumsum(np.array(parts, float).sum(1))


def _is_solved(config: dict[str, Any], lines: Sequence[dict[str, float | None]]) -> bool:
    target = (config.get("evaluation") or {}).get("stop_at_return")
    returns = [value for line in lines if (value := line.get(EVALUATION)) is not None]
    return target is not None and bool(returns) and returns[-1] >= target
