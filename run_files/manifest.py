"""`manifest.json` in a run's folder: hashes of its text files, so that one that was edited or damaged is named.

A name may hold two hashes for the moment in which its file is replaced: the manifest says so first, then the file is
replaced, then the manifest holds the new hash alone. So whatever is killed between two steps leaves a folder that fits.
`metrics` says how much of the log there was at the last checkpoint; there may be more. Whoever cuts the log lowers it
first.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path

from engram.run_files.manifest_file import Manifest, read_manifest, text_hash, write_manifest
from engram.run_files.metric_lines import NOTHING_LOGGED, LogMark, Row, read_lines
from engram.run_files.metrics_log import stream_metrics
from engram.run_files.names import CONFIG_FILE, MANIFEST_FILE, METRICS_FILE, TEXT_FILES
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import EditedFileError, refuse_edited


def write_texts(run_dir: Path, texts: Mapping[str, str]) -> None:
    """Write a new run's text files, and before the last of them the manifest of all.

    Args:
        run_dir: its folder.
        texts: by name; the last one shows that a run has begun.
    """
    *first, last = texts
    for name in first:
        replace_file(run_dir / name, texts[name])
    write_manifest(run_dir, Manifest({name: (text_hash(text),) for name, text in texts.items()}))
    replace_file(run_dir / last, texts[last])


def replace_texts(run_dir: Path, texts: Mapping[str, str]) -> None:
    """Replace text files of a run, and their hashes if it has a manifest; those that hold the same already are left.

    Args:
        run_dir: its folder.
        texts: by name.
    """
    manifest = read_manifest(run_dir)
    after = {name: text_hash(text) for name, text in texts.items()}
    different = [name for name in texts if _hash_of(run_dir / name) != after[name]]
    if manifest is not None and different:
        both = {name: (*manifest.files.get(name, ()), after[name]) for name in different}
        write_manifest(run_dir, replace(manifest, files={**manifest.files, **both}))
    for name in different:
        replace_file(run_dir / name, texts[name])
    if manifest is not None and different:
        new = {name: (after[name],) for name in different}
        write_manifest(run_dir, replace(manifest, files={**manifest.files, **new}))


def mark_metrics(run_dir: Path, mark: LogMark, is_edited: bool = False) -> None:
    """Say how much of the log there is at least; what is no run's folder is left as it is.

    A manifest that somebody removed or damaged while the run goes on is written again, with a warning.

    Args:
        run_dir: the run's folder.
        mark: lines and hash.
        is_edited: they are not those that the run wrote.
    """
    try:
        manifest = read_manifest(run_dir)
    except EditedFileError:
        manifest = None
    if manifest is None:
        if not (run_dir / CONFIG_FILE).is_file():
            return
        path = run_dir / MANIFEST_FILE
        warnings.warn(
            f"{path} was removed or damaged while the run goes on; it is written again.", stacklevel=2
        )
        manifest = adopt_texts(run_dir, [MANIFEST_FILE])
    edited = tuple(dict.fromkeys([*manifest.edited, *([METRICS_FILE] if is_edited else [])]))
    if (manifest.metrics, manifest.edited) != (mark, edited):
        write_manifest(run_dir, replace(manifest, metrics=mark, edited=edited))


def check_texts(folder: Traversable, trust_edited: bool = False, warns: bool = True) -> list[str]:
    """Hold a run's text files against its manifest.

    Args:
        folder: the run's, on disk or in an archive.
        trust_edited: take edited files with a warning that names them.
        warns: say that a run of before has no manifest.

    Returns:
        Names of the files that were edited.

    Raises:
        EditedFileError: names them, unless they are trusted.
    """
    try:
        manifest = read_manifest(folder)
    except EditedFileError as error:
        if not trust_edited:
            raise
        warnings.warn(f"{error} It is taken as it is.", stacklevel=2)
        return [MANIFEST_FILE]
    if manifest is None:
        if _has_hashes(folder / METRICS_FILE):
            refuse_edited(f"{folder / MANIFEST_FILE} is missing", trust_edited)
            return [MANIFEST_FILE]
        if warns:
            warnings.warn(
                f"{folder} was written before runs had a {MANIFEST_FILE}: edited or damaged text files in it would not "
                "be noticed.",
                stacklevel=2,
            )
        return []
    # Names of other files are not looked up: a manifest may come from anybody, and lead nowhere else.
    edited = [name for name in TEXT_FILES if not _fits(folder / name, manifest.files.get(name))]
    if edited:
        verb = "was" if len(edited) == 1 else "were"
        names = " and ".join(str(folder / name) for name in edited)
        refuse_edited(f"{names} {verb} edited, damaged or removed since", trust_edited)
    return edited


def adopt_texts(run_dir: Path, edited: Iterable[str] = ()) -> Manifest:
    """Give a run a manifest of its text files as they are now, if it has none or one that does not say just that.

    Args:
        run_dir: its folder.
        edited: names that `check_texts` gave.

    Returns:
        The manifest.
    """
    edited = list(edited)
    manifest = None if MANIFEST_FILE in edited else read_manifest(run_dir)
    if manifest is not None and not edited and all(len(hashes) == 1 for hashes in manifest.files.values()):
        return manifest
    hashes = {name: _hash_of(run_dir / name) for name in TEXT_FILES}
    files = {name: (found,) for name, found in hashes.items() if found is not None}
    mark, before = (NOTHING_LOGGED, ()) if manifest is None else (manifest.metrics, manifest.edited)
    adopted = Manifest(files, mark, tuple(dict.fromkeys([*before, *edited])))
    write_manifest(run_dir, adopted)
    return adopted


def stream_run_metrics(folder: Traversable, trust_edited: bool = False) -> Iterator[Row]:
    """Read a run's metrics line by line, and hold them against its manifest.

    Args:
        folder: the run's, on disk or in an archive.
        trust_edited: take lines that were edited, with a warning.

    Yields:
        The rows, without their hashes.

    Raises:
        EditedFileError: names the first line that is not what was written, or says that lines are missing.
    """
    try:
        manifest = read_manifest(folder)
    except EditedFileError:
        if not trust_edited:
            raise
        manifest = None
    mark = NOTHING_LOGGED if manifest is None else manifest.metrics
    yield from stream_metrics(folder / METRICS_FILE, mark, trust_edited)


def _fits(path: Traversable, hashes: tuple[str, ...] | None) -> bool:
    found = _hash_of(path)
    return found is None if hashes is None else found in hashes


def _hash_of(path: Traversable) -> str | None:
    """The hash of a file; None if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # IO tells too little


def _has_hashes(path: Traversable) -> bool:
    """Whether a log on disk begins with a hash, as those of runs with a manifest do."""
    if not isinstance(path, Path) or not path.is_file():
        return False
    with path.open("rb") as file:
        return any(line.hash for line in read_lines(file.readline(1 << 20).splitlines()))
