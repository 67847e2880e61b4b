"""Commands as a shell takes them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence


def command_line(command: str, words: Sequence[str]) -> str:
    """A command as a shell takes it.

    Args:
        command: `train`, `plot`, ….
        words: `key=value`, unquoted.
    """
    return f"engram {command} {' '.join(map(shell_word, words))}".rstrip()


def shell_word(word: str) -> str:
    """Quote a word for a shell; what cannot be seen is written so that the command can be read and copied."""
    if word.isprintable():
        return shlex.quote(word)
    # Bash's and zsh's quotes, in which bytes are written as octal numbers of three digits.
    plain = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\'" else f"\\{byte:03o}"
        for byte in os.fsencode(word)
    )
    return f"$'{''.join(plain)}'"
