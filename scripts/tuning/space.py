"""What a search may choose an option's value from: several values, or a range of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engram.command_line.axes import as_word, axis_values
from engram.command_line.words import parse_override, parse_value, write_value
from engram.common.errors import UsageError

_RANGE = re.compile(r"([^.\s,]\S*?|\.\d\S*?)\.\.([^.\s,][^\s,:]*|\.\d[^\s,:]*)(?::(\w+))?")
_SPELLING = "write <low>..<high>, or <low>..<high>:log for a logarithmic one"
# Steps into which a range is parted at least: a value has no more digits than that needs.
_STEPS = 1000


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        values: as words.
    """

    values: tuple[str, ...]

    @property
    def samples(self) -> tuple[str, ...]:
        """Values that are tried before a search begins, so that a wrong one stops nothing later."""
        return self.values

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def word(self, value: Any) -> str:
        """A value as a word."""
        return str(value)

    def __str__(self) -> str:
        return ",".join(self.values)


@dataclass(frozen=True)
class Range:
    """A number between two others, both included.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether numbers are drawn by their logarithms.
    """

    low: int | float
    high: int | float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def samples(self) -> tuple[str, ...]:
        """Its ends, which are tried before a search begins."""
        return self.word(self.low), self.word(self.high)

    @property
    def size(self) -> float:
        """How many values there are, without end where they are not whole."""
        return self.high - self.low + 1 if self.is_whole else math.inf

    def word(self, value: int | float) -> str:
        """A number as a word, with as many digits as tell a thousand steps of the range apart."""
        if self.is_whole:
            return write_value(int(value))
        step = (
            value * (math.log(self.high / self.low) / _STEPS) if self.log else (self.high - self.low) / _STEPS
        )
        rounded = round(float(value), -math.floor(math.log10(step)))
        return write_value(min(max(rounded, float(self.low)), float(self.high)))

    def __str__(self) -> str:
        return f"{write_value(self.low)}..{write_value(self.high)}{':log' if self.log else ''}"


Dimension = Choice | Range
Space = dict[str, Dimension]


def read_dimension(key: str, given: Any) -> Dimension | None:
    """Read what a search may choose an option's value from.

    Args:
        key: the option.
        given: a word, `1e-4..1e-2:log`, `32..256`, `a,b,c` or one of Hydra's (`choice(…)`, `range(…)`, `interval(…)`,
            `tag(log,interval(…))`); from a YAML also a list, or a mapping of `low`, `high` and `log`.

    Returns:
        None for one plain value.

    Raises:
        UsageError: for a range that is none, and whatever `axis_values` refuses.
    """
    if isinstance(given, str) and given.startswith("{"):
        try:
            given = parse_value(given)
        except ValueError:
            return None
    if isinstance(given, Mapping):
        if not {"low", "high"} <= given.keys() <= {"low", "high", "log"}:
            raise UsageError(
                f"A range is {{low: …, high: …, log: true}}, but {key} got {dict(given)!r}; {_SPELLING}."
            )
        return _range(key, given["low"], given["high"], given.get("log", False))
    if isinstance(given, str):
        if found := _RANGE.fullmatch(given):
            if found[3] not in (None, "log"):
                raise UsageError(f"A range may be logarithmic, but got {key}={given}; {_SPELLING}.")
            return _range(key, _number(found[1]), _number(found[2]), found[3] is not None)
        if (interval := _interval(key, given)) is not None:
            return interval
    values = axis_values(key, given)
    return None if values is None else Choice(tuple(values))


def _number(text: str) -> Any:
    try:
        return parse_value(text)
    except ValueError:
        return text


def _interval(key: str, text: str) -> Range | None:
    """Hydra's own `interval(low,high)`, maybe tagged `log`; None for anything else."""
    try:
        override = parse_override(text)
    except ValueError:
        return None
    if not override.is_interval_sweep():
        return None
    interval: Any = override.value()
    return _range(key, interval.start, interval.end, "log" in interval.tags)


def _range(key: str, low: Any, high: Any, log: Any) -> Range:
    is_number = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not is_number or not isinstance(log, bool):
        raise UsageError(
            f"A range goes from one number to another, but {key} got {as_word(low)}..{as_word(high)}; {_SPELLING}."
        )
    if not low < high:
        raise UsageError(
            f"A range goes from its lowest to its highest value, but {key} got {low}..{high}; turn it round."
        )
    if log and low <= 0:
        raise UsageError(
            f"A logarithmic range begins above 0, but {key} got {low}..{high}:log; leave :log out."
        )
    return Range(low, high, log)
