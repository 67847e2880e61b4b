"""What a call from Python has in the place of a command's exit codes: exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engram.common.errors import RunError, UsageError


@contextmanager
def called_from_python() -> Iterator[None]:
    """Within the block a mistake of the user is told by a `RunError`.

    Raises:
        RunError: in place of a `UsageError`, with the same sentence.
    """
    try:
        yield
    except UsageError as error:
        raise RunError(str(error)) from None
