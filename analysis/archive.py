"""Runs in one small file: what a comparison reads of them, to publish it and to compare with it later."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from engram.analysis.metrics import STEPS
from engram.analysis.runs import Run
from engram.common.metric_names import evaluation_key, training_key
from engram.run_files.json_text import json_text
from engram.run_files.manifest_file import Manifest, manifest_text, text_hash
from engram.run_files.metric_lines import NOTHING_LOGGED, LogMark, write_line
from engram.run_files.names import (
    COMMAND_FILE,
    CONFIG_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    SIZES_FILE,
    VERSIONS_FILE,
)
from engram.run_files.plain_files import replacement
from engram.run_files.run_command import command_text
from engram.run_files.stored_yaml import yaml_text

ARCHIVE_FILE = "runs.zip"
# Of episodes all is kept, so that any metric of theirs can be compared.
_OF_EPISODES = (training_key(""), evaluation_key(""))
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
    with replacement(path) as target, zipfile.ZipFile(target, "w") as archive:
        for name, run in sorted(zip(names, runs, strict=True), key=lambda pair: pair[0]):
            for file, text in _texts(run).items():
                entry = zipfile.ZipInfo(f"{name}/{file}", _EPOCH)
                archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return path


def _texts(run: Run) -> dict[str, str]:
    """What the files of a run's folder hold, by their names; a manifest of their own tells whether they still do."""
    texts = {
        CONFIG_FILE: yaml_text(run.config),
        VERSIONS_FILE: json_text(run.versions, indent=1) + "\n",
    }
    if run.command is not None:
        texts[COMMAND_FILE] = command_text(run.command)
    if run.sizes:
        texts[SIZES_FILE] = json_text(run.sizes, indent=1) + "\n"
    metrics, mark = _metrics_text(run)
    manifest = Manifest({name: (text_hash(text),) for name, text in texts.items()}, mark)
    return texts | {METRICS_FILE: metrics, MANIFEST_FILE: manifest_text(manifest)}


def _metrics_text(run: Run) -> tuple[str, LogMark]:
    """The lines of metrics that are kept, with hashes of their own."""
    lines, mark = [], NOTHING_LOGGED
    for row in run.lines:
        line, own = write_line({key: value for key, value in row.items() if _is_kept(run, key)}, mark.hash)
        lines.append(line)
        mark = LogMark(len(lines), own)
    return "".join(lines), mark


def _is_kept(run: Run, key: str) -> bool:
    return key == STEPS or key in run.metrics.columns or key.startswith(_OF_EPISODES)


def _short_names(runs: Sequence[Run]) -> list[str]:
    """The runs' folders below the one that all share; `<agent>-<core>/<seed>` at least, which tells the core."""
    places = [Path(run.name).absolute() for run in runs]
    shared = os.path.commonpath([place.parent.parent for place in places])
    # What cannot be shown is an escape in a name, and no archive has a backslash in one.
    return [place.relative_to(shared).as_posix().replace("\\", "_") for place in places]
