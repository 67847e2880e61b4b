"""Agents at the Hugging Face hub: `pip install 'engram-rl[hub]'`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engram.common.errors import UsageError

HUB = "hf://"
_NAME = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)


def hub_name(option: str, place: str) -> str | None:
    """Tell a repository of the hub from a folder.

    Args:
        option: that names it.
        place: `hf://owner/name`, or a path.

    Returns:
        `owner/name`; None for a folder.

    Raises:
        UsageError: if it begins like one of the hub and is none.
    """
    if not place.startswith(HUB):
        return None
    name = place.removeprefix(HUB)
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"A repository of the hub is written {HUB}<owner>/<name>, but {option} is {place!r}; write it so, with "
            "letters, digits, '-', '_' and '.'."
        )
    return name


def library() -> Any:
    """The hub's library.

    Raises:
        UsageError: if it is not installed.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise UsageError(
            f"A place that begins with {HUB} needs huggingface_hub, which is not installed; "
            "pip install 'engram-rl[hub]', or name a folder."
        ) from error
    return huggingface_hub


def upload(folder: Path, name: str, private: bool) -> None:
    """Put a folder's files into a repository, which is made if there is none.

    Args:
        folder: of an agent.
        name: `owner/name`.
        private: a repository that is made is seen by its owner alone.

    Raises:
        UsageError: if the hub refuses or cannot be reached.
    """
    api = library().HfApi(library_name="engram")
    with _faults(name):
        api.create_repo(repo_id=name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=str(folder), commit_message="An agent of engram push")


def download(name: str, revision: str | None, folder: Path, files: Sequence[str]) -> None:
    """Get named files of a repository, as they are.

    Args:
        name: `owner/name`.
        revision: a branch, tag or commit; None: the newest.
        folder: they are put there.
        files: their names; others are not asked for.

    Raises:
        UsageError: if the hub refuses or cannot be reached.
    """
    get = library().snapshot_download
    with _faults(name):
        get(repo_id=name, revision=revision, local_dir=str(folder), allow_patterns=list(files))


@contextmanager
def _faults(name: str) -> Iterator[None]:
    """Tell in a sentence what another's library raises, whatever it is."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split()) or "no reason"
        raise UsageError(
            f"The hub must be reached, and let you in, but {HUB}{name} could not be ({type(error).__name__}: {said}); "
            "see to the name, the network, and your key (hf auth login)."
        ) from error
