"""`sweep.yaml` in a sweep's folder: its axes, common options and trials.

A later call may add to it, and never contradict it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engram.common.errors import UsageError
from engram.common.shell import command_line
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import CHECKSUM, check_seal, digest
from engram.run_files.stored_yaml import read_yaml, yaml_text
from engram.scripts.sweeps.grid import Trial
from engram.scripts.sweeps.plan import Plan

MANIFEST_FILE = "sweep.yaml"
# Of a manifest: a trial takes five hundred.
MOST_BYTES = 1 << 26


def update_manifest(plan: Plan) -> None:
    """Write a plan into its folder's manifest, beside what earlier calls have put there.

    Args:
        plan: its folder exists.

    Raises:
        UsageError: if the plan contradicts the manifest, or that is damaged.
    """
    path = plan.directory / MANIFEST_FILE
    stored = read_manifest(plan.directory, bool(plan.options.get("trust_edited")))
    if stored is not None:
        _check_common(path, stored["options"], plan)
        _check_trials(path, stored, plan)
    axes = dict(stored["axes"]) if stored is not None else {}
    trials = {trial["folder"]: trial for trial in stored["trials"]} if stored is not None else {}
    for axis, values in plan.axes.items():
        axes[axis] = list(dict.fromkeys([*axes.get(axis, []), *values]))
    trials |= {entry["folder"]: entry for entry in map(_entry, plan.trials)}
    _write(path, {"axes": axes, "options": plan.common, "trials": list(trials.values())})


def read_manifest(directory: Path, trust_edited: bool = False) -> dict[str, Any] | None:
    """Read a sweep's manifest.

    Args:
        directory: the sweep's folder.
        trust_edited: take one that was edited, with a warning.

    Returns:
        `axes` (axis → values), `options` (of all trials, resolved), and `trials`, each with its `folder`, `axes`,
        `settings` and `command`; None if there is no manifest.

    Raises:
        UsageError: if it is damaged.
        EditedFileError: if it is not what was written.
    """
    path = directory / MANIFEST_FILE
    if not path.exists():
        return None
    try:
        stored = read_yaml(path, MOST_BYTES)
        if not _is_manifest(stored):
            raise ValueError
    except ValueError as error:
        raise UsageError(
            f"A sweep's {MANIFEST_FILE} holds axes, options and trials, but {path} does not; it is damaged: move it "
            "away, and give the whole sweep's command again."
        ) from error
    return check_seal(stored, path, trust_edited)


def _is_manifest(stored: Any) -> bool:
    """Whether what was read has the shape of a manifest; a lost line may leave it YAML."""
    if not isinstance(stored, dict) or not {"axes", "options", "trials"} <= stored.keys():
        return False
    axes, options, trials = (stored[key] for key in ("axes", "options", "trials"))
    return (
        isinstance(axes, dict)
        and all(
            isinstance(values, list) and all(isinstance(v, str) for v in values) for values in axes.values()
        )
        and isinstance(options, dict)
        and isinstance(trials, list)
        and all(_is_trial(trial) for trial in trials)
    )


def _is_trial(trial: Any) -> bool:
    parts = {"folder": str, "axes": dict, "settings": dict, "command": str}
    return isinstance(trial, dict) and all(isinstance(trial.get(key), kind) for key, kind in parts.items())


def _entry(trial: Trial) -> dict[str, Any]:
    return {
        "folder": trial.folder.as_posix(),
        "axes": trial.values,
        "settings": trial.settings,
        "command": command_line("train", trial.words),
    }


def _check_common(path: Path, stored: dict[str, Any], plan: Plan) -> None:
    """Refuse a common option that has changed."""
    for key in (*stored, *plan.common):
        before, now = (options.get(key, "nothing") for options in (stored, plan.common))
        if before != now:
            raise UsageError(
                f"A sweep keeps its options, and {path} says {key}={before}, but got {key}={now}; leave it as it was, "
                "or give another sweep.dir=<folder>."
            )


def _check_trials(path: Path, stored: dict[str, Any], plan: Plan) -> None:
    """Refuse other axes, and trials of the same values with other settings."""
    before, now = list(stored["axes"]), list(plan.axes)
    if set(before) != set(now):
        raise UsageError(
            f"A sweep keeps its axes, and {path} has {', '.join(before)}, but got {', '.join(now)}; give the same, "
            "with more values if you like, or another sweep.dir=<folder>."
        )
    known = {trial["folder"]: trial for trial in stored["trials"]}
    for trial in plan.trials:
        same = known.get(trial.folder.as_posix())
        if same is not None and same["settings"] != trial.settings:
            raise UsageError(
                f"A sweep keeps each trial's settings, and {path} has {same['settings']} for {trial.folder}, but got "
                f"{trial.settings}; leave them as they were, or give another sweep.dir=<folder>."
            )


def _write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step; it gets a checksum."""
    text = yaml_text({**content, CHECKSUM: digest(content)}, width=10_000)
    above = "# Written by engram sweep; the same command continues the sweep, or adds to it.\n"
    replace_file(path, above + text)
