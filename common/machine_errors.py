"""What of the machine ran out or broke, told in a sentence from an error of the system, or of a library that met it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

import torch

_ROOM = "room on the disk", "free space"
_MEMORY = "more memory than there is", "take fewer environments, a smaller batch or a smaller model"
_FILES = (
    "more open files than the system allows it",
    "raise that limit (ulimit -n), or take fewer environments",
)
_PROCESSES = (
    "more processes than the system allows it",
    "raise that limit (ulimit -u), or take fewer environments",
)

# By the number of the system's error: what is needed, and what to do.
_BY_NUMBER = {
    errno.ENOSPC: _ROOM,
    errno.EFBIG: ("larger files than the system allows it", "raise that limit (ulimit -f)"),
    errno.EDQUOT: ("room on the disk", "free space, or ask for a larger quota"),
    errno.EIO: ("a disk that works", "let the system's log say what is wrong with it (dmesg)"),
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: _PROCESSES,
}
# Parts of what libraries say that have no type of error for it.
_BY_TEXT = {"can't allocate memory": _MEMORY, "can't start new thread": _PROCESSES}


@dataclass(frozen=True)
class Shortage:
    """What a command lacks.

    Attributes:
        need: goes on "A command needs …".
        got: the error's own words, and the file if it names one.
        remedy: what to do before the command is given again.
    """

    need: str
    got: str
    remedy: str


def shortage(error: BaseException) -> Shortage | None:
    """Tell what of the machine ran out or broke; None for an error of any other kind.

    One that already says more than the system does is left as it is: it has a sentence of its own.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return Shortage(_MEMORY[0], _first_line(error), _MEMORY[1])
    if isinstance(error, RuntimeError):
        found = [phrases for text, phrases in _BY_TEXT.items() if text in str(error)]
        return Shortage(found[0][0], _first_line(error), found[0][1]) if found else None
    if not isinstance(error, OSError) or error.errno not in _BY_NUMBER:
        return None
    if error.strerror != os.strerror(error.errno):
        return None
    need, remedy = _BY_NUMBER[error.errno]
    name = error.filename
    at = f", {os.fsdecode(name)}" if isinstance(name, str | bytes | os.PathLike) else ""
    return Shortage(need, f"{error.strerror}{at}", remedy)


def sentence_of(error: Exception) -> str:
    """Say in one sentence what an error says; one of the system's names the file."""
    lacking = shortage(error)
    if lacking is not None:
        return (
            f"A command needs {lacking.need}, but got: {lacking.got}; {lacking.remedy}, then give it again."
        )
    if isinstance(error, OverflowError):
        return f"A number must be one that can be calculated with, but one is too large ({error}); give a smaller one."
    if not isinstance(error, OSError) or error.errno is None:
        return " ".join(str(error).split())
    if error.filename is None:
        return f"{error.strerror}."
    return (
        f"A file or folder must be one that can be used, but {str(error.filename)!r} cannot: {error.strerror}; give "
        "another, or change its permissions."
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200].rstrip(".") if lines else "it could not be had"
