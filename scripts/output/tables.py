"""Tables of numbers in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engram.common.say import say


def print_table(title: str, columns: Sequence[str], lines: Mapping[str, Sequence[float | None]]) -> None:
    """Print an aligned table; None is a dash."""
    first = max(len(name) for name in lines) if lines else 0
    widths = [max(10, len(column) + 2) for column in columns]
    say("", title)
    say(" " * first + "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True)))
    for name, values in lines.items():
        texts = ["-" if value is None else format_number(value) for value in values]
        say(
            f"{name:{first}}" + "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
        )


def format_number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
