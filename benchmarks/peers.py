"""What others have published and a benchmark measures beside Engram's own: it may not be installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engram.common.errors import UsageError


@contextmanager
def peer(what: str, instead: str) -> Iterator[None]:
    """Mark the imports of a peer.

    Args:
        what: is measured beside ours.
        instead: what to do without it.

    Raises:
        UsageError: if it cannot be imported.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"The peer is {what}, but it cannot be imported ({error}); pip install -e '.[benchmark]', or {instead}."
        ) from error
