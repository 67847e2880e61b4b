"""What befalls a file: cut, flipped, zeroed, lines and blocks moved, appended to, replaced, converted, lost."""

from __future__ import annotations

import random
from collections.abc import Callable

BLOCK = 64
Damage = Callable[[bytes, random.Random], bytes]


def _truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _cut_at_a_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(lines[: rng.randrange(len(lines))])


def _flip(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    changed = content[place] ^ (1 << rng.randrange(8))
    return content[:place] + bytes([changed]) + content[place + 1 :]


def _byte(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]


def _digit(content: bytes, rng: random.Random) -> bytes:
    """Another digit: the text stays valid."""
    places = [place for place, value in enumerate(content) if 48 <= value <= 57]
    place = rng.choice(places) if places else 0
    return content[:place] + str(rng.randrange(10)).encode() + content[place + 1 :]


def _zero(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    size = min(rng.choice([1, BLOCK, 4096]), len(content) - start)
    return content[:start] + bytes(size) + content[start + size :]


def _of_lines(change: Callable[[list[bytes], random.Random], None]) -> Damage:
    def damage(content: bytes, rng: random.Random) -> bytes:
        lines = content.splitlines(keepends=True)
        change(lines, rng)
        return b"".join(lines)

    return damage


def _of_blocks(change: Callable[[list[bytes], random.Random], None]) -> Damage:
    def damage(content: bytes, rng: random.Random) -> bytes:
        blocks = [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)]
        change(blocks, rng)
        return b"".join(blocks)

    return damage


def _remove(parts: list[bytes], rng: random.Random) -> None:
    del parts[rng.randrange(len(parts))]


def _duplicate(parts: list[bytes], rng: random.Random) -> None:
    place = rng.randrange(len(parts))
    parts.insert(place, parts[place])


def _swap(parts: list[bytes], rng: random.Random) -> None:
    first, second = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[first], parts[second] = parts[second], parts[first]


def _swap_neighbours(parts: list[bytes], rng: random.Random) -> None:
    if len(parts) > 1:
        place = rng.randrange(len(parts) - 1)
        parts[place], parts[place + 1] = parts[place + 1], parts[place]


def _tail(content: bytes, rng: random.Random) -> bytes:
    return content + rng.choice([bytes(BLOCK), rng.randbytes(BLOCK), b"\n", b"{}\n", content[-BLOCK:]])


def _copied_line(content: bytes, rng: random.Random) -> bytes:
    return content + rng.choice(content.splitlines(keepends=True))


def _crlf(content: bytes, rng: random.Random) -> bytes:
    return content.replace(b"\n", b"\r\n")


def _bom(content: bytes, rng: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + content


def _no_utf8(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + rng.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80"]) + content[place:]


def _utf16(content: bytes, rng: random.Random) -> bytes:
    return content.decode("latin-1").encode("utf-16")


def _empty(content: bytes, rng: random.Random) -> bytes:
    return b""


ANY_FILE: dict[str, Damage] = {
    "truncate": _truncate,
    "flip": _flip,
    "byte": _byte,
    "zero": _zero,
    "block-": _of_blocks(_remove),
    "block+": _of_blocks(_duplicate),
    "blocks-swapped": _of_blocks(_swap),
    "tail": _tail,
    "crlf": _crlf,
    "empty": _empty,
}
TEXT_FILE: dict[str, Damage] = ANY_FILE | {
    "cut-at-line": _cut_at_a_line,
    "digit": _digit,
    "line-": _of_lines(_remove),
    "line+": _of_lines(_duplicate),
    "lines-swapped": _of_lines(_swap),
    "neighbours-swapped": _of_lines(_swap_neighbours),
    "line-copied": _copied_line,
    "bom": _bom,
    "no-utf8": _no_utf8,
    "utf16": _utf16,
}
# These have one outcome.
ONCE = ("crlf", "bom", "utf16", "empty")


def damaged(content: bytes, kind: str, name: str) -> bytes | None:
    """Damage a file's content.

    Args:
        content: whole.
        kind: of `TEXT_FILE`.
        name: of the case, which alone decides where the damage is.

    Returns:
        Other content, or None where this kind changes nothing.
    """
    rng = random.Random(name)
    for _ in range(20):
        changed = TEXT_FILE[kind](content, rng) if content else content
        if changed != content:
            return changed
    return None
