"""What a comparison leaves out, by name and with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from engram.common.printable import printable

# Letters of a reason: one may hold the name of a key that is no name.
_LONGEST = 400


@dataclass(frozen=True)
class Skipped:
    """A run, or a place where runs could lie, that is left out of everything.

    Attributes:
        name: its folder, as given, or as it lies in an archive.
        reason: in words.
    """

    name: str
    reason: str


def skip(name: str, reason: str | Exception) -> Skipped:
    """Leave something out.

    Args:
        name: of any letters, as a file may have.
        reason: in words, or the error that tells.
    """
    text = printable(" ".join(str(reason).split()))
    return Skipped(printable(name), text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
