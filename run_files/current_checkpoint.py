"""Whether a checkpoint is the one that its run has now, and not an earlier one of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engram.run_files.checkpoint import read_values
from engram.run_files.manifest import read_manifest
from engram.run_files.sealed_json import EditedFileError, refuse_edited
from engram.run_files.stored_state import check_progress


def check_best(state: Mapping[str, Any], path: Path, best: Path, latest: Path, trust_edited: bool) -> None:
    """Refuse what stands in for the best checkpoint of a run: a later one, or an earlier best one.

    Args:
        state: what is to be used.
        path: the file that it is from.
        best: the file of the best checkpoint.
        latest: the file of the last one, which tells how good the best is.
        trust_edited: take it with a warning.

    Raises:
        EditedFileError: a ValueError, if it is not the best checkpoint.
        ValueError: if the checkpoint does not say what its run has reached.
    """
    check_progress(state, path)
    own = state["progress"]["best_return"]
    if path != best:
        if own is not None:
            refuse_edited(f"{best} is missing, although the run has had an evaluation", trust_edited)
        return
    try:
        last = read_values(latest)
        check_progress(last, latest)
    except (OSError, ValueError):
        return  # it is for whoever reads that one to say so
    reached = last["progress"]["best_return"]
    if reached is not None and (own is None or own < reached):
        refuse_edited(f"{best} is older than {latest}, which tells of a better one", trust_edited)


def check_latest(state: Mapping[str, Any], path: Path, run_dir: Path, trust_edited: bool) -> None:
    """Refuse a last checkpoint that is older than the run's manifest.

    Args:
        state: of the checkpoint.
        path: its file.
        run_dir: the run's folder.
        trust_edited: take it with a warning.

    Raises:
        EditedFileError: a ValueError, if it is.
    """
    try:
        manifest = read_manifest(run_dir)
    except EditedFileError:
        return  # named already, and trusted
    lines = state.get("log", {}).get("lines") if isinstance(state.get("log", {}), dict) else None
    if manifest is not None and isinstance(lines, int) and lines < manifest.metrics.lines:
        refuse_edited(
            f"{path} counts on {lines} lines of the log, and the run had saved at {manifest.metrics.lines}: it is an "
            "earlier checkpoint",
            trust_edited,
        )
