"""A user's mistake becomes one sentence and exit code 2; a fault in code, ours or the user's, keeps its traceback."""

from __future__ import annotations

import errno
import os
import select
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from engram.common.errors import EnvironmentFault, RankLostError, StoppedError, UsageError
from engram.common.machine_errors import sentence_of, shortage
from engram.common.printable import printable
from engram.common.ranks import Ranks
from engram.common.say import say, say_fault
from engram.training.user_code import place_in_user_code, print_whole

EXIT_FAULT = 1
EXIT_FAILED_TRIALS = 1
EXIT_USAGE = 2
EXIT_DIVERGED = 3


def run(main: Callable[[Sequence[str]], None], arguments: Sequence[str] | None = None) -> int:
    """Run a command and turn its outcome into an exit code.

    Args:
        main: takes the words after the command's name.
        arguments: these words. Default: the process's own.

    Returns:
        0, 2 for a user's mistake, 3 if training diverged, 130 if interrupted, 143 or 129 if terminated or hung up, or 1
        if code of the user's own raised an error or nobody reads the output.
    """
    warnings.formatwarning = _format_warning
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = say_fault
    try:
        main(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except StoppedError as stopped:
        return stopped.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError as error:
        unread = [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]
        if not unread:
            return _explain(error)
        # Whoever read the output has seen enough, as in `--help | head`.
        for stream in unread:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 1
    except Exception as error:
        return _explain(error)
    return 0


@contextmanager
def told_once(ranks: Ranks) -> Iterator[None]:
    """Mark the block in which processes train together: of what ends all of them, the first one to know tells.

    Raises:
        StoppedError: in place of an error that another process tells.
    """
    try:
        yield
    except (UsageError, EnvironmentFault, FloatingPointError, RankLostError) as error:
        if not ranks.speaks_first():
            has_diverged = isinstance(error, FloatingPointError)
            raise StoppedError(EXIT_DIVERGED if has_diverged else EXIT_USAGE) from error
        if isinstance(error, RankLostError):
            raise UsageError(
                f"All {ranks.count} processes of a run begin it together, but one has ended before; start it again."
            ) from error
        raise
    except Exception:
        ranks.speaks_first()
        raise


def _is_unread(stream: TextIO) -> bool:
    """Whether a stream is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):  # not on this system
        return stream is sys.stdout
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):  # it is no file, or closed
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _explain(error: Exception) -> int:
    """Print what a person needs to mend the error; returns the exit code.

    Raises:
        Exception: the error itself, if it is a fault of ours.
    """
    lines, code = _told(error)
    with suppress(OSError):  # a log on the disk that is full; the exit code still tells
        say(*lines, file=sys.stderr)
    return code


def _told(error: Exception) -> tuple[list[str], int]:
    """The lines to print of an error, and its exit code."""
    place = place_in_user_code(error)
    if place is not None:
        return print_whole(place).split("\n"), EXIT_FAULT
    if isinstance(error, (UsageError, EnvironmentFault)):
        return [f"error: {error}"], EXIT_USAGE
    if isinstance(error, FloatingPointError):
        return [f"error: {error}"], EXIT_DIVERGED
    if shortage(error) is not None or getattr(error, "errno", None) == errno.EROFS:
        return [f"error: {sentence_of(error)}"], EXIT_USAGE
    raise error


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    lines = str(message).split("\n")
    return "\n".join(["warning: " + printable(lines[0]), *map(printable, lines[1:]), ""])
