"""Searches among the folders that are compared: what they tried, and which runs they ended early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.analysis.folders import Folder, folder_name
from engram.analysis.skipped import Skipped, skip
from engram.run_files.bounded_text import read_mapping
from engram.run_files.names import SEARCH_FILE
from engram.run_files.sealed_json import check_seal

# Folders between a search's and its runs': <suite>/<task>/<agent>-<core>/<seed>.
_LEVELS = 5
_STATES = ("running", "finished", "pruned", "failed")
_REASONS = {
    "pruned": "ended early by its search",
    "running": "its search is not done with it",
    "failed": "diverged",
}


@dataclass(frozen=True)
class Search:
    """A search's folder as plain values.

    Attributes:
        folder: where it lies.
        document: `metric`, `score`, `direction`, `space` and `configurations`.
    """

    folder: Path
    document: dict[str, Any]

    def reason_against(self, run: Path) -> str | None:
        """Why a run of it says nothing beside others; None if it does."""
        name = run.relative_to(self.folder).as_posix()
        for one in self.document["configurations"]:
            if name in one["runs"]:
                return _REASONS.get(one["state"])
        return None

    def as_document(self) -> dict[str, Any]:
        """What a report shows of it."""
        return {"name": folder_name(self.folder), **self.document}


def find_searches(
    folders: Sequence[Folder], places: Sequence[Path], trust_edited: bool = False
) -> tuple[list[Search], list[Skipped]]:
    """Find the searches that runs belong to.

    Args:
        folders: of runs.
        places: that were named: what lies above them is not looked at.
        trust_edited: take one that was edited.

    Returns:
        The searches, and those that cannot be read.
    """
    found: dict[Path, Search | Skipped] = {}
    for folder in (one for one in folders if isinstance(one, Path)):
        for above in _above(folder, set(places)):
            if above not in found and (above / SEARCH_FILE).is_file():
                found[above] = _read(above, trust_edited)
    searches = [one for one in found.values() if isinstance(one, Search)]
    return searches, [one for one in found.values() if isinstance(one, Skipped)]


def part_by_search(
    folders: Sequence[Folder], searches: Sequence[Search]
) -> tuple[list[Folder], list[Skipped]]:
    """Part the runs that can be compared from those that a search ended early."""
    kept: list[Folder] = []
    skipped = []
    for folder in folders:
        own = [one for one in searches if isinstance(folder, Path) and one.folder in folder.parents]
        reasons = [reason for one in own if (reason := one.reason_against(Path(str(folder)))) is not None]
        if reasons:
            skipped.append(skip(folder_name(folder), reasons[0]))
        else:
            kept.append(folder)
    return kept, skipped


def _above(folder: Path, places: set[Path]) -> Iterator[Path]:
    if folder in places:
        return
    for above in list(folder.parents)[:_LEVELS]:
        yield above
        if above in places:
            return


def _read(folder: Path, trust_edited: bool) -> Search | Skipped:
    try:
        document = check_seal(read_mapping(folder / SEARCH_FILE), folder / SEARCH_FILE, trust_edited)
    except (ValueError, OSError) as error:
        return skip((folder / SEARCH_FILE).as_posix(), error)
    if not _is_search(document):
        return skip((folder / SEARCH_FILE).as_posix(), "is damaged: it does not list configurations")
    return Search(folder, document)


def _is_search(document: dict[str, Any]) -> bool:
    words = all(isinstance(document.get(key), str) for key in ("metric", "score", "direction"))
    space, tried = document.get("space"), document.get("configurations")
    return (
        words
        and isinstance(space, dict)
        and isinstance(tried, list)
        and all(_is_tried(one, space) for one in tried)
    )


def _is_tried(one: Any, space: dict[str, Any]) -> bool:
    return (
        isinstance(one, dict)
        and type(one.get("number")) is int
        and one.get("state") in _STATES
        and isinstance(one.get("score"), int | float | None)
        and isinstance(one.get("options"), dict)
        and one["options"].keys() == space.keys()
        and all(isinstance(value, str) for value in (*one["options"].values(), *space.values()))
        and isinstance(one.get("runs"), list)
    )
