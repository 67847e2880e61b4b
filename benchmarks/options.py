"""Options of the benchmarks: their types, and what several of them take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Fitting, Fraction, Word, list_of


def _are_words(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) and one for one in value)
    )


def _is_size(value: Any) -> bool:
    is_triple = isinstance(value, list | tuple) and len(value) == 3
    return is_triple and all(type(one) is int and one >= 1 for one in value)


Names = Annotated[
    str | Sequence[str],
    Fitting("all, or a list of names", lambda value: value == "all" or _are_words(value), "[lstm,s5]"),
]
Words = Annotated[Sequence[str], Fitting("a list of one or more words", _are_words, "[<name>]")]
Counts = Sequence[Count]
Rates = Sequence[Fraction]
Sizes = Annotated[Sequence[Any], list_of("sizes [B, T, D]", _is_size, "[[64,1024,256]]")]


@settings()
class BenchmarkOptions:
    """What every benchmark takes.

    Args:
        threads: of torch.
        output: a JSON file; null: none.
    """

    threads: Count = 1
    output: Word | None = None


@settings()
class DeviceOptions(BenchmarkOptions):
    """What a benchmark takes that runs on any device.

    Args:
        device: cpu, or cuda.
    """

    device: Word = "cpu"


def chosen(option: str, names: str | Sequence[str], known: Iterable[str]) -> list[str]:
    """Read the value of an option of type `Names`.

    Args:
        option: its name.
        names: `all`, or some of `known`.
        known: all that there are.

    Raises:
        UsageError: names the first that does not exist.
    """
    known = list(known)
    for name in [] if names == "all" else names:
        if name not in known:
            raise UsageError(
                f"{option} must be all, or a list of {', '.join(known)}, but got {name!r}; name these."
            )
    return known if names == "all" else list(names)
