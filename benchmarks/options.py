"""Types of the benchmarks' options, and the options that all of them have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from engram.common.checked import settings
from engram.common.option_types import Count, Fitting, Word, list_of, whole_number


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_size(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_count, value))


Names = Annotated[
    str | Sequence[str],
    Fitting(
        "all, or a list of names",
        lambda value: (
            value == "all" or (isinstance(value, list | tuple) and bool(value) and all(map(_is_word, value)))
        ),
        "[lstm,s5]",
    ),
]
Words = Annotated[Sequence[str], list_of("one or more words", _is_word, "[<name>]")]
Counts = Annotated[
    Sequence[int],
    Fitting(
        "a list of whole numbers of at least 1",
        lambda value: isinstance(value, list | tuple) and all(map(_is_count, value)),
        "[32,128]",
        lambda value: [whole_number(part) for part in value] if isinstance(value, list | tuple) else value,
    ),
]
Rates = Annotated[Sequence[float], list_of("numbers from 0 to 1", _is_share, "[0,0.03]")]
Sizes = Annotated[Sequence[Any], list_of("sizes [B, T, D]", _is_size, "[[64,1024,256]]")]


@settings()
class BenchmarkOptions:
    """What every benchmark takes."""

    threads: Count = 1
    output: Word | None = None
