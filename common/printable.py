"""Text of others that is shown: what a terminal would obey, and what no file can hold, is written as an escape."""

from __future__ import annotations

import hashlib

# Letters of a name that a table or a legend has room for.
_LONGEST = 80


def printable(text: str) -> str:
    r"""Write characters that are not to be seen as escapes: `\x1b` moves no cursor, and `\u202e` turns nothing round.

    Args:
        text: any, as names of files and values of a stored configuration are; with halves of surrogates as well.

    Returns:
        One line that every encoding of Unicode can write.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def short_name(text: str) -> str:
    """Bring a name that is shown beside others to a length that can be: different ones stay different.

    Args:
        text: any.
    """
    text = printable(text)
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 9]}…{hashlib.sha256(text.encode()).hexdigest()[:8]}"
