"""Where an exception was raised: in Engram, in a library, or in code of the user's own."""

from __future__ import annotations

import dis
import os
import re
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import engram
from engram.envs.async_envs import WorkerTraceback

_ROOT = Path(engram.__file__).parent
# A traceback names the file as it was imported, and that may have been through a link.
_ENGRAM = tuple(
    f"{path.parent}{os.sep}" for root in {_ROOT, _ROOT.resolve()} for path in root.glob("*/__init__.py")
)
_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple(f"{_PATHS[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_INSTALLED = {"site-packages", "dist-packages"}
# How Python words a call whose arguments do not fit, which is raised where the call stands.
_MISFIT = re.compile(r"\(\) (got an unexpected|got multiple values|missing \d+ required|takes )")
_RAISE = dis.opmap["RAISE_VARARGS"]


@dataclass(frozen=True)
class Place:
    """Where an exception was raised by code of the user's own.

    Attributes:
        error: the exception itself, which may be the cause of another one.
        file: of the code.
        line: in the file, from 1.
        function: its name.
    """

    error: BaseException
    file: str
    line: int
    function: str


def place_in_user_code(error: BaseException) -> Place | None:
    """Find where code of the user's own raised an exception or one that led to it; None if it did not.

    Libraries are passed over: an error in them is that of whoever called them. What Engram refuses of its own accord
    is no error of the code that passed it on.
    """
    raised = error
    for one in _chain(error):
        if isinstance(one, WorkerTraceback):
            return _place_in_text(one.text, raised)
        raised = one
        if isinstance(one, SyntaxError) and one.filename and not _is_foreign(one.filename):
            return Place(one, one.filename, one.lineno or 1, "<module>")
        for filename, entry in reversed(list(_frames(one.__traceback__))):
            if _is_engram(filename):
                if _is_raised(entry):
                    break
                continue
            if not _is_library(filename):
                return Place(one, filename, entry.tb_lineno, entry.tb_frame.f_code.co_name)
    return None


def _place_in_text(text: str, error: BaseException) -> Place | None:
    """The same for an error of another process, of which there is a text."""
    for filename, line, function in reversed(re.findall(r'  File "(.+)", line (\d+), in (.+)', text)):
        if _is_engram(filename):
            return None
        if not _is_library(filename):
            return Place(error, filename, int(line), function)
    return None


def is_refusal(error: BaseException) -> bool:
    """Whether a TypeError says that something was refused, and is not a fault of the code that raised it."""
    frames = list(_frames(error.__traceback__))
    if not frames:
        return True
    filename, entry = frames[-1]
    return not _is_engram(filename) or _is_raised(entry) or bool(_MISFIT.search(str(error)))


def print_whole(place: Place) -> str:
    """The traceback of an error of the user's own code, with one line above it."""
    name = type(place.error).__name__
    above = (
        f"error: {name} was raised by code of your own, not by Engram: {place.file}, line {place.line}, in "
        f"{place.function}. Its traceback:"
    )
    return "\n".join([above, "".join(traceback.format_exception(place.error)).rstrip()])


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that led to it."""
    while error is not None:
        yield error
        context = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or context


def _frames(entry: TracebackType | None) -> Iterator[tuple[str, TracebackType]]:
    """File and entry of every frame, the innermost last."""
    while entry is not None:
        yield entry.tb_frame.f_code.co_filename, entry
        entry = entry.tb_next


def _is_engram(filename: str) -> bool:
    return filename.startswith(_ENGRAM)


def _is_foreign(filename: str) -> bool:
    return _is_engram(filename) or _is_library(filename)


def _is_library(filename: str) -> bool:
    """Whether a file belongs to Python or to an installed package, or is no file, such as generated code."""
    installed = _INSTALLED & set(Path(filename).parts)
    # Compiled code names the source that it was built from, as libyaml's binding does, wherever that is.
    return filename.startswith(("<", *_LIBRARIES)) or filename.endswith(".pyx") or bool(installed)


def _is_raised(entry: TracebackType) -> bool:
    """Whether a frame ended with a `raise`, and not with an operation or a call that failed."""
    return entry.tb_frame.f_code.co_code[entry.tb_lasti] == _RAISE
