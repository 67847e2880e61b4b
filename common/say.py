"""What a command tells its user: the one place where text reaches a terminal."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType
from typing import TextIO

from engram.common.printable import printable


def say(*lines: object, file: TextIO | None = None, flush: bool = False) -> None:
    """Print lines in which nothing is obeyed by a terminal, whoever's name holds it: that is written as an escape.

    Args:
        lines: each stays one line; none: an empty one.
        file: a stream. Default: standard output.
        flush: whether to write at once.
    """
    stream = sys.stdout if file is None else file
    text = "\n".join(printable(str(line).expandtabs()) for line in lines)
    # What the stream's encoding does not have is an escape as well.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=flush)


def say_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of an error that nothing has caught; stands in for `sys.excepthook`."""
    say(*"".join(traceback.format_exception(kind, error, trace)).rstrip().split("\n"), file=sys.stderr)
