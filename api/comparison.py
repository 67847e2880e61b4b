"""Comparing runs by words: what `engram plot` and `Run.plot` share."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.analysis.archive import ARCHIVE_FILE, write_archive
from engram.analysis.compare import compare
from engram.analysis.configurations import describe_configurations
from engram.analysis.files import write_files
from engram.analysis.folders import Folder, find_run_folders, named_places
from engram.analysis.runs import Run, read_run
from engram.analysis.searches import find_searches, part_by_search
from engram.analysis.settings import Settings
from engram.analysis.skipped import Skipped
from engram.command_line.config import compose_config
from engram.command_line.plot_options import PlotOptions
from engram.common.checked import check_options
from engram.common.shell import command_line
from engram.run_files.outputs import check_writable
from engram.training.faults import usage_errors


@dataclass(frozen=True)
class Report:
    """What a comparison has left.

    Attributes:
        output: its folder.
        files: written there.
    """

    output: Path
    files: Sequence[Path]


def compare_runs(
    words: Sequence[str], show: Callable[[dict[str, Any]], None] = lambda document: None
) -> Report:
    """Read runs, compare them, and write the report.

    Args:
        words: `key=value`, as of `engram plot`.
        show: is given the comparison before it is written.

    Raises:
        UsageError: for what the user can mend.
    """
    with usage_errors():
        # Which tasks there are is known only after reading: `bounds` and `chance` may name any.
        options = compose_config(
            "plot", [f"++{word}" if word.startswith(("bounds", "chance")) else word for word in words]
        ).values
        options = check_options(options, PlotOptions)
        named = _as_list(options["runs"])
        folders, skipped = find_run_folders(named)
        output = Path(options["output"])
        check_writable("output", output)
    searches, unread = find_searches(folders, named_places(named), options["trust_edited"])
    folders, unwanted = part_by_search(folders, searches)
    how = _settings(options)
    runs, left_out = _read(folders, how, options["trust_edited"])
    document = compare(runs, [*skipped, *unread, *unwanted, *left_out], how)
    document["x"] = options["x"]
    document["searches"] = [one.as_document() for one in searches]
    document["command"] = command_line("plot", words)
    document["configurations"] = describe_configurations(runs, document)
    show(document)
    output.mkdir(parents=True, exist_ok=True)
    files = write_files(output, document, figures=options["figures"])
    if options["archive"]:
        files.append(write_archive(output / ARCHIVE_FILE, runs))
    return Report(output, files)


def compare_folder(directory: Path, episodes: str, trust_edited: bool = False) -> dict[str, Any]:
    """Compare the runs below a folder, which differ by their seeds alone, and write nothing.

    Args:
        directory: the folder.
        episodes: `training` or `evaluation`: whose returns the curves are made of.
        trust_edited: take runs whose files were edited.

    Returns:
        The document of `engram.analysis.compare.compare`.

    Raises:
        UsageError: if no run has such returns.
    """
    how = Settings(group=["agent", "core"], episodes=episodes, resamples=2000)
    folders, skipped = find_run_folders([glob.escape(str(directory))])
    runs, left_out = _read(folders, how, trust_edited)
    return compare(runs, skipped + left_out, how)


def _read(folders: Sequence[Folder], how: Settings, trust_edited: bool) -> tuple[list[Run], list[Skipped]]:
    """Read what a comparison needs of runs, and say of which it could not be read."""
    found = [read_run(folder, trust_edited, (how.key, how.evaluation_key)) for folder in folders]
    runs = [one for one in found if isinstance(one, Run)]
    return runs, [one for one in found if isinstance(one, Skipped)]


def _settings(options: dict[str, Any]) -> Settings:
    names = [name for name in Settings.__dataclass_fields__ if name != "group"]
    group = None if options["group"] is None else _as_list(options["group"])
    return Settings(group=group, **{name: options[name] for name in names})


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
