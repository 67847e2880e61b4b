"""Finding a run among those of a folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engram.common.machine_errors import sentence_of
from engram.run_files.checkpoint import load_latest
from engram.run_files.fixed_config import MACHINE, fixed_part
from engram.run_files.manifest import check_texts
from engram.run_files.names import CONFIG_FILE, MANIFEST_FILE
from engram.run_files.run_folder import checkpoint_path, stored_config
from engram.run_files.run_lock import is_locked
from engram.run_files.stored_state import check_digest, check_progress
from engram.run_files.unbegun import holds_checkpoint, is_unbegun


def runs_in(folder: Path) -> list[Path]:
    """List the runs in `folder` (maybe itself one), the newest first."""
    files = sorted(folder.rglob(CONFIG_FILE), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [path.parent for path in files]


def newest_run(folder: Path) -> Path:
    """Find the newest run in `folder`; `folder` itself if there is none, or if it is one.

    One that has ended before its first checkpoint does not hide an older one.
    """
    runs = [] if (folder / CONFIG_FILE).exists() else runs_in(folder)
    return next((run_dir for run_dir in runs if not is_unbegun(run_dir)), runs[0] if runs else folder)


def unfinished_run(config: Mapping[str, Any]) -> Path | None:
    """Find the newest run of a configuration that has a checkpoint, if it is not at its end.

    Where none has one, it is the newest that has ended before its first, which begins anew in its folder.

    Args:
        config: plain mapping; where a run may be continued on other terms, these may differ. If it names a run's
            folder, this one alone is looked at.

    Raises:
        ValueError: if the run's checkpoints are damaged.
    """
    given, trust_edited = config["logging"]["run_dir"], bool(config.get("trust_edited"))
    unbegun = None
    _name_runs_without_a_configuration(Path(given or config["logging"]["runs_dir"]))
    for run_dir in [Path(given)] if given else runs_in(Path(config["logging"]["runs_dir"])):
        stored = _config_or_none(run_dir, trust_edited)
        if stored is None or not _is_same(stored, config):
            continue
        if holds_checkpoint(run_dir):
            return run_dir if _is_unfinished(run_dir, stored, config, trust_edited) else None
        if not is_unbegun(run_dir):
            warnings.warn(f"The run {run_dir} is passed over: it has no checkpoint left.", stacklevel=2)
        elif unbegun is None and not is_locked(run_dir):
            unbegun = run_dir
    return unbegun


def _name_runs_without_a_configuration(folder: Path) -> None:
    """Warn of runs that have lost the file by which a run is known."""
    for path in sorted(folder.rglob(MANIFEST_FILE)):
        if not (path.parent / CONFIG_FILE).exists():
            warnings.warn(
                f"The run {path.parent} is passed over: its {CONFIG_FILE} is missing.", stacklevel=3
            )


def _config_or_none(run_dir: Path, trust_edited: bool) -> dict[str, Any] | None:
    """Read a run's configuration; one that is damaged or was edited is passed over by name."""
    if not (run_dir / CONFIG_FILE).exists():
        return None
    try:
        check_texts(run_dir, trust_edited, warns=False)
        return stored_config(run_dir)
    except (ValueError, OSError, RecursionError) as error:
        text = sentence_of(error) if isinstance(error, (ValueError, OSError)) else "It is nested too deeply."
        warnings.warn(f"The run {run_dir} is passed over: {text}", stacklevel=2)
        return None


def _is_same(stored: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether both describe the same run; a run does not store groups that it has no use for."""
    return _fixed(stored) == _fixed({key: config.get(key) for key in stored})


def _fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """What names a run: another learning rate makes another one, a longer budget does not."""
    return fixed_part(config, (*MACHINE, "total_env_steps"))


def _is_unfinished(
    run_dir: Path, stored: Mapping[str, Any], config: Mapping[str, Any], trust_edited: bool
) -> bool:
    def check(state: Mapping[str, Any], path: Path) -> None:
        check_progress(state, path)
        check_digest(state, path, stored, trust_edited)

    state = load_latest(checkpoint_path(run_dir, "latest"), check=check)
    if state["progress"].get("unfinished_from") is not None:
        return True
    return state["driver"]["env_steps"] < config["total_env_steps"] and not state["progress"]["solved"]
