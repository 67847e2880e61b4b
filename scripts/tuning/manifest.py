"""`tune.yaml` in a search's folder: what is searched, and what configurations are measured by; it stays so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engram.common.errors import UsageError
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import CHECKSUM, check_seal, digest
from engram.run_files.stored_yaml import read_yaml, yaml_text
from engram.scripts.sweeps.manifest import MANIFEST_FILE as SWEEP_FILE
from engram.scripts.tuning.plan import SearchPlan, dimension_texts

MANIFEST_FILE = "tune.yaml"
# What a later call may not change, and how it is told.
_PARTS = ("space", "axes", "measure", "options")


def keep_manifest(plan: SearchPlan) -> None:
    """Write what a search is into its folder; a later call that says otherwise is refused.

    Args:
        plan: its folder exists.

    Raises:
        UsageError: if the plan contradicts what is there, that is damaged, or the folder is a sweep's.
        EditedFileError: if it is not what was written.
    """
    path = plan.directory / MANIFEST_FILE
    content = _content(plan)
    if not path.exists():
        if (plan.directory / SWEEP_FILE).exists():
            raise UsageError(
                f"A search needs a folder of its own, but {plan.directory} holds a sweep; give another sweep.dir=."
            )
        above = "# Written by engram tune; the same command continues the search, trials=<more> adds to it.\n"
        replace_file(path, above + yaml_text({**content, CHECKSUM: digest(content)}, width=10_000))
        return
    stored = _read(path, bool(plan.options["trust_edited"]))
    for part in _PARTS:
        before, now = stored[part], content[part]
        for key in (*before, *now):
            if before.get(key) != now.get(key):
                raise UsageError(
                    f"A search keeps what it searches and measures, and {path} says {key}={_said(before, key)}, "
                    f"but got {key}={_said(now, key)}; leave it as it was, or give another sweep.dir=<folder>."
                )


def _content(plan: SearchPlan) -> dict[str, Any]:
    measure = {f"tune.{key}": plan.search[key] for key in ("metric", "score", "direction")}
    return {
        "space": dimension_texts(plan.space),
        "axes": {key: list(values) for key, values in plan.axes.items()},
        "measure": measure,
        "options": plan.common,
    }


def _read(path: Path, trust_edited: bool) -> dict[str, Any]:
    try:
        stored = read_yaml(path)
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or not all(isinstance(stored.get(part), dict) for part in _PARTS):
        raise UsageError(
            f"A search's {MANIFEST_FILE} holds {', '.join(_PARTS)}, but {path} does not; it is damaged: move it away, "
            "and give the whole search's command again."
        )
    return check_seal(stored, path, trust_edited)


def _said(part: dict[str, Any], key: str) -> Any:
    value = part.get(key, "nothing")
    return ",".join(map(str, value)) if isinstance(value, list) else value
