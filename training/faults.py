"""Faults of others, told in a sentence: wrong options, and what ends a training, which says how to go on."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engram.common.errors import EnvironmentFault, UsageError
from engram.common.machine_errors import sentence_of, shortage
from engram.common.say import say
from engram.run_files.unbegun import holds_checkpoint
from engram.training.user_code import is_refusal, place_in_user_code

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Mark a block in which the user's options and files are read: its errors are the user's to mend.

    What code of the user's own raises, and an operation of ours that fails, are faults of code: they stay as they are.

    Raises:
        UsageError: in place of any error by which a constructor or a file refuses what it was given.
    """
    try:
        yield
    except (ValueError, TypeError, ImportError, OSError, OverflowError) as error:
        is_fault = isinstance(error, TypeError) and not is_refusal(error)
        if is_fault or place_in_user_code(error) is not None:
            raise
        raise UsageError(sentence_of(error)) from error


@contextmanager
def faults_of_environments(command: str) -> Iterator[None]:
    """Mark the block in which a run trains: its faults are told with the command that continues it.

    An error of code of the user's own stays as it is; a line before its traceback says how to go on.

    Args:
        command: continues the run.

    Raises:
        UsageError: in place of a fault of an environment or its process.
    """
    try:
        yield
    except EnvironmentFault as error:
        if place_in_user_code(error) is not None:
            raise
        raise UsageError(f"{error} {_hint(command)}") from error
    except FloatingPointError as error:
        raise FloatingPointError(f"{error} Then go on with: {command}") from error
    except Exception as error:
        if place_in_user_code(error) is not None:
            say(_hint(command), file=sys.stderr)
        raise


def _hint(command: str) -> str:
    return f"The run's last checkpoint is intact; once this is mended, go on with: {command}"


@contextmanager
def faults_of_the_machine(run_dir: Path, command: str) -> Iterator[None]:
    """Mark a block in which a run writes to its folder: a machine that lacks something is the user's to mend.

    So is a folder that is gone or has become read-only. An error of code of the user's own stays as it is.

    Args:
        run_dir: the run's folder.
        command: continues the run, or begins it anew there.

    Raises:
        UsageError: in place of an error that says so.
    """
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as error:
        if place_in_user_code(error) is not None:
            raise
        if isinstance(error, OSError) and _is_of_folder(error, run_dir):
            raise UsageError(
                f"A run's folder must stay where it is, and writable, but {os.fsdecode(error.filename)!r} cannot be "
                f"written any more ({error.strerror}): put {run_dir} back as it was, then: {command}"
            ) from error
        lacking = shortage(error)
        if lacking is None:
            raise
        raise UsageError(
            f"A run needs {lacking.need}, but got: {lacking.got}; {standing(run_dir)}: {lacking.remedy}, then: "
            f"{command}"
        ) from error


def standing(run_dir: Path) -> str:
    """Say what a run can go on from."""
    with suppress(OSError):
        if holds_checkpoint(run_dir):
            return f"the last checkpoint of {run_dir} is intact"
    return f"{run_dir} holds no checkpoint yet and begins anew"


def _is_of_folder(error: OSError, run_dir: Path) -> bool:
    """Whether an error says that a file of a run's folder is gone, or that nothing can be written there."""
    if error.errno not in _GONE or not isinstance(error.filename, (str, bytes, os.PathLike)):
        return False
    return Path(os.fsdecode(error.filename)).absolute().is_relative_to(run_dir.absolute())
