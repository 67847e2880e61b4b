"""The leaderboard by words: archives read, submissions checked, and everything written."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.analysis.folders import ARCHIVE_SUFFIX, Folder, find_run_folders, named_places
from engram.analysis.leaderboard.boards import Entry
from engram.analysis.leaderboard.document import make_document, read_entries
from engram.analysis.leaderboard.files import FILES, write_leaderboard
from engram.analysis.leaderboard.protocol import Defaults
from engram.analysis.leaderboard.submission import check_submission
from engram.analysis.names import learning_options
from engram.analysis.settings import Settings
from engram.analysis.skipped import Skipped
from engram.command_line.config import compose_config, compose_plain
from engram.command_line.groups import group_options
from engram.command_line.leaderboard_options import LeaderboardOptions
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.printable import printable
from engram.common.shell import command_line
from engram.run_files.outputs import check_writable
from engram.training.faults import usage_errors

SUBMISSIONS = "submissions"
# Made of other cores, not one by itself.
_NOT_CORES = ("custom", "stack")


@dataclass(frozen=True)
class Leaderboard:
    """What the command has left.

    Attributes:
        document: of `engram.analysis.leaderboard.document.make_document`.
        files: written.
    """

    document: dict[str, Any]
    files: Sequence[Path]


def make_leaderboard(words: Sequence[str]) -> Leaderboard:
    """Read archives, check submissions, and write the leaderboard.

    Args:
        words: `key=value`, as of `engram leaderboard`.

    Raises:
        UsageError: for what the user can mend.
    """
    with usage_errors():
        options = check_options(compose_config("leaderboard", words).values, LeaderboardOptions)
        output = Path(options["output"])
        archives = _archives(options["archives"])
        submissions = _submissions(options["submission"], output)
        check_writable("output", output, FILES)
    defaults, free = _defaults(), options["free"]
    entries, skipped = _read([(_label(path), path) for path in archives], defaults, free)
    if not entries:
        raise UsageError(
            f"archives must hold at least one complete run with an evaluation, but none of {len(skipped)} is (the "
            f"first, {skipped[0].name}: {skipped[0].reason}); give others."
        )
    submitted: list[Entry] = []
    for path, label in zip(submissions, _labels(submissions), strict=True):
        theirs, left_out = _read([(label, path)], defaults, free, drops_repeated=False)
        submitted += check_submission(printable(path.as_posix()), theirs, left_out, entries, submitted)
    how = Settings(episodes="evaluation", resamples=options["resamples"], confidence=options["confidence"])
    cores = [name for name in group_options("core") if name not in _NOT_CORES]
    document = make_document([*entries, *submitted], skipped, how, cores)
    # Where it is written is no part of what it says.
    said = [word for word in words if word.partition("=")[0] != "output"]
    document |= {"free": list(free), "command": command_line("leaderboard", said)}
    output.mkdir(parents=True, exist_ok=True)
    return Leaderboard(document, write_leaderboard(output, document))


def _defaults() -> Defaults:
    @functools.cache
    def defaults(agent: str) -> dict[str, Any]:
        known = agent in group_options("agent") and agent != "custom"
        return learning_options(compose_plain("train", [f"agent={agent}"]).values) if known else {}

    return defaults


def _archives(patterns: Any) -> list[Path]:
    named = patterns if isinstance(patterns, list) else [patterns]
    for pattern in named:
        if not (places := named_places([pattern])):
            raise UsageError(
                f"archives must name archives of runs, but {pattern} does not exist; in a checkout of Engram say "
                "engram leaderboard alone, elsewhere archives=<what engram plot archive=true wrote>."
            )
        for path in places:
            _check_suffix("archives", path)
    return list(dict.fromkeys(named_places(named)))


def _submissions(given: Any, output: Path) -> list[Path]:
    """The archives that are given, and those that lie beside the leaderboard already."""
    named = [Path(one) for one in ([] if given is None else given if isinstance(given, list) else [given])]
    for path in named:
        if not path.is_file():
            raise UsageError(
                f"submission must be an archive of runs, but {path} does not exist; write one: engram plot runs=<your "
                "runs> output=mine archive=true."
            )
        _check_suffix("submission", path)
    kept = sorted((output / SUBMISSIONS).glob(f"*{ARCHIVE_SUFFIX}"))
    return list({path.resolve(): path for path in [*kept, *named]}.values())


def _check_suffix(option: str, path: Path) -> None:
    if path.suffix != ARCHIVE_SUFFIX:
        raise UsageError(
            f"{option} must name archives of runs, whose names end in {ARCHIVE_SUFFIX}, but got {path}; write one: "
            "engram plot runs=<runs> output=<folder> archive=true."
        )


def _read(
    sources: Sequence[tuple[str, Path]], defaults: Defaults, free: Sequence[str], drops_repeated: bool = True
) -> tuple[list[Entry], list[Skipped]]:
    found: list[tuple[str, Sequence[Folder]]] = []
    skipped: list[Skipped] = []
    for label, path in sources:
        try:
            folders, unread = find_run_folders([str(path)])
        except UsageError as error:
            raise UsageError(
                f"An archive of runs holds run folders, but {path} holds none; write one: engram plot runs=<runs> "
                "output=<folder> archive=true."
            ) from error
        found.append((label, folders))
        skipped += unread
    entries, left_out = read_entries(found, defaults, free, drops_repeated)
    return entries, skipped + left_out


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names of archives, each another."""
    names = [_label(path) for path in paths]
    return [
        name if names.count(name) == 1 else f"{name} ({names[:index].count(name) + 1})"
        for index, name in enumerate(names)
    ]


def _label(path: Path) -> str:
    """An archive's name, or that of its folder where all are called alike."""
    return printable(path.parent.name if path.stem == "runs" and path.parent.name else path.stem)
