"""Runs in one small file: what a comparison reads of them, to publish it and to compare with it later."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from agents.json_text import json_text
from agents.run_files import COMMAND_FILE, CONFIG_FILE, METRICS_FILE, SIZES_FILE, VERSIONS_FILE
from scripts.comparison.metrics import KEPT, STEPS
from scripts.comparison.runs import Run
from scripts.run_command import command_text

ARCHIVE_FILE = "runs.zip"
_KEPT = (STEPS, *KEPT)
# A file's time of change is no part of a result: the same runs give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_archive(path: Path, runs: Sequence[Run]) -> Path:
    """Write runs into a ZIP file of run folders, with the metrics that curves and scores are made of.

    A comparison takes the file in the place of a folder, and says the same of the runs in it.

    Args:
        path: of the file, whose name ends in `.zip`.
        runs: at least one, from folders or from other archives.

    Returns:
        The path.
    """
    names = _short_names(runs)
    with zipfile.ZipFile(path, "w") as archive:
        for name, run in sorted(zip(names, runs, strict=True), key=lambda pair: pair[0]):
            for file, text in _texts(run).items():
                entry = zipfile.ZipInfo(f"{name}/{file}", _EPOCH)
                archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return path


def _texts(run: Run) -> dict[str, str]:
    """What the files of a run's folder hold, by their names."""
    lines = [{key: value for key, value in line.items() if key in _KEPT} for line in run.lines]
    texts = {
        CONFIG_FILE: yaml.safe_dump(run.config, sort_keys=False),
        VERSIONS_FILE: json_text(run.versions, indent=1) + "\n",
        METRICS_FILE: "".join(json_text(line) + "\n" for line in lines),
    }
    if run.command is not None:
        texts[COMMAND_FILE] = command_text(run.command)
    return texts | ({SIZES_FILE: json_text(run.sizes, indent=1) + "\n"} if run.sizes else {})


def _short_names(runs: Sequence[Run]) -> list[str]:
    """The runs' folders below the one that all share; `<agent>-<core>/<seed>` at least, which tells the core."""
    places = [Path(run.name).absolute() for run in runs]
    shared = os.path.commonpath([place.parent.parent for place in places])
    return [place.relative_to(shared).as_posix() for place in places]
