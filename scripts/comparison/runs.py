"""Run folders read back: what was measured in each, or why it cannot be used."""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.logger import METRICS_FILE, read_metrics
from agents.run_folder import CONFIG_FILE, VERSIONS_FILE, read_config
from scripts.errors import UsageError
from scripts.sizes import SIZES_FILE
from scripts.statistics import Series

TRAINING, EVALUATION = "charts/episodic_return", "eval/episodic_return"
STEPS, SECONDS = "env_steps", "wall_clock"
_FILES = (CONFIG_FILE, METRICS_FILE, VERSIONS_FILE)


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
        folder: where it lies.
        config: as stored.
        versions: of packages, code and device.
        sizes: of the agent, by the names of `agent_sizes`; empty for runs that were made before these were stored.
        steps: environment steps of each line of metrics [L].
        seconds: spent collecting and learning up to each line, over all resumptions [L]; None where some
            line does not tell.
        lines: the metrics.
        solved: it stopped because an evaluation reached `evaluation.stop_at_return`.
    """

    folder: Path
    config: dict[str, Any]
    versions: dict[str, str]
    sizes: dict[str, int]
    steps: np.ndarray
    seconds: np.ndarray | None
    lines: Sequence[dict[str, float | None]]
    solved: bool

    @property
    def name(self) -> str:
        """The folder, as given."""
        return self.folder.as_posix()

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


def find_run_folders(patterns: Sequence[str]) -> list[Path]:
    """Find the run folders that globs or folders name, searched recursively.

    A run's folder is known by any one of its files, so that one that lacks the others is noticed.

    Raises:
        UsageError: if a pattern matches nothing, or nothing in it is a run's folder.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        places = sorted(Path(place) for place in glob.glob(str(Path(pattern).expanduser()), recursive=True))
        folders = [folder for place in places if place.is_dir() for folder in _descend(place)]
        if not folders:
            what = "holds none" if places else "does not exist"
            raise UsageError(
                f"runs must name run folders, or folders with run folders in them, but {pattern} {what}; "
                "give a folder that training wrote into, such as runs=runs."
            )
        found |= dict.fromkeys(folders)
    return list(found)


def _descend(folder: Path) -> list[Path]:
    if any((folder / name).is_file() for name in _FILES):
        return [folder]
    return [found for child in sorted(folder.iterdir()) if child.is_dir() for found in _descend(child)]


def read_run(folder: Path) -> Run | Skipped:
    """Read one run's folder; one that lacks a file, or holds a damaged one, is named with the reason."""
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        return Skipped(folder.as_posix(), f"{' and '.join(missing)} missing")
    try:
        config = read_config(folder)
        versions = _read_mapping(folder / VERSIONS_FILE)
        sizes = _read_sizes(folder / SIZES_FILE)
    except (ValueError, OSError) as error:
        return Skipped(folder.as_posix(), " ".join(str(error).split()))
    try:
        lines = read_metrics(folder / METRICS_FILE)
        steps = _ascending_steps(lines)
    except (ValueError, OSError) as error:
        return Skipped(folder.as_posix(), f"{METRICS_FILE} is damaged: {' '.join(str(error).split())}")
    if not lines:
        return Skipped(folder.as_posix(), f"{METRICS_FILE} has no line yet")
    text_versions = {str(key): str(value) for key, value in versions.items()}
    return Run(folder, config, text_versions, sizes, steps, _elapsed(lines), lines, _is_solved(config, lines))


def _read_mapping(path: Path) -> dict[str, Any]:
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


def _read_sizes(path: Path) -> dict[str, int]:
    """Read an agent's sizes; none where the run is older than the file.

    Raises:
        ValueError: if they are not whole numbers.
    """
    sizes = _read_mapping(path) if path.exists() else {}
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
    keys = ("time/collect_seconds", "time/update_seconds")
    parts = [[line.get(key) for key in keys] for line in lines]
    if any(part is None for both in parts for part in both):
        return None
    return np.cumsum(np.array(parts, float).sum(1))


def _is_solved(config: dict[str, Any], lines: Sequence[dict[str, float | None]]) -> bool:
    target = (config.get("evaluation") or {}).get("stop_at_return")
    returns = [value for line in lines if (value := line.get(EVALUATION)) is not None]
    return target is not None and bool(returns) and returns[-1] >= target
