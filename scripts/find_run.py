"""Finding a run among those of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.checkpoint import load_latest
from agents.run_folder import CONFIG_FILE, checkpoint_path
from scripts.resuming import MACHINE, stored_config


def runs_in(folder: Path) -> list[Path]:
    """List the runs in `folder` (maybe itself one), the newest first."""
    files = sorted(folder.rglob(CONFIG_FILE), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [path.parent for path in files]


def newest_run(folder: Path) -> Path:
    """Find the newest run in `folder`; `folder` itself if there is none, or if it is one."""
    return next(iter([] if (folder / CONFIG_FILE).exists() else runs_in(folder)), folder)


def unfinished_run(config: Mapping[str, Any]) -> Path | None:
    """Find the newest run of a configuration, if it has a checkpoint and is not at its end.

    Args:
        config: plain mapping; where a run may be continued on other terms, these may differ.

    Raises:
        ValueError: if the run's files are damaged.
    """
    for run_dir in runs_in(Path(config["logging"]["runs_dir"])):
        if _is_same(stored_config(run_dir), config):
            path = checkpoint_path(run_dir, "latest")
            return run_dir if path.exists() and _is_unfinished(path, config) else None
    return None


def _is_same(stored: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether both describe the same run; a run does not store groups that it has no use for."""
    return _fixed(stored) == _fixed({key: config.get(key) for key in stored})


def _fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that a continued run keeps."""
    return {key: value for key, value in config.items() if key not in (*MACHINE, "total_env_steps")}


def _is_unfinished(path: Path, config: Mapping[str, Any]) -> bool:
    state = load_latest(path)
    if state["progress"].get("unfinished_from") is not None:
        return True
    return state["driver"]["env_steps"] < config["total_env_steps"] and not state["progress"]["solved"]
