"""Folders of runs that ended before their first checkpoint: nothing in them is lost when they begin anew."""

from __future__ import annotations

import shutil
from pathlib import Path

from engram.run_files.checkpoint import has_checkpoint
from engram.run_files.names import CONFIG_FILE, MANIFEST_FILE, METRICS_FILE, TEXT_FILES
from engram.run_files.run_folder import CHECKPOINTS_FOLDER, REPLAY_FOLDER, checkpoint_path
from engram.run_files.run_lock import LOCK_FILE

# What stands in a run's folder before its configuration does, which is written last.
_TEXTS = [name for name in (*TEXT_FILES, MANIFEST_FILE) if name != CONFIG_FILE]
_BEFORE = {
    CHECKPOINTS_FOLDER,
    REPLAY_FOLDER,
    LOCK_FILE,
    *_TEXTS,
    *(f"{name}.tmp" for name in (*_TEXTS, CONFIG_FILE)),
}


def holds_checkpoint(run_dir: Path) -> bool:
    """Whether a run has a checkpoint to be continued from."""
    return has_checkpoint(checkpoint_path(run_dir, "latest"))


def is_unbegun(run_dir: Path) -> bool:
    """Whether a run's folder holds its configuration, and neither a checkpoint of any name nor a metric."""
    metrics = run_dir / METRICS_FILE
    return (
        (run_dir / CONFIG_FILE).is_file()
        and not _holds_any_checkpoint(run_dir)
        and not (metrics.exists() and metrics.stat().st_size)
    )


def is_bare(run_dir: Path) -> bool:
    """Whether a folder is empty, or one of a run that ended before its configuration was written."""
    if not run_dir.is_dir() or run_dir.is_symlink():
        return False
    entries = list(run_dir.iterdir())
    is_plain = not any(path.is_symlink() for path in entries)
    return is_plain and {path.name for path in entries} <= _BEFORE and not _holds_any_checkpoint(run_dir)


def clear_replay(run_dir: Path) -> None:
    """Remove the replay of a run that begins anew, and make its folder of checkpoints."""
    if (run_dir / REPLAY_FOLDER).exists():
        shutil.rmtree(run_dir / REPLAY_FOLDER)
    (run_dir / CHECKPOINTS_FOLDER).mkdir(exist_ok=True)


def _holds_any_checkpoint(run_dir: Path) -> bool:
    return any((run_dir / CHECKPOINTS_FOLDER).glob("*.safetensors"))
