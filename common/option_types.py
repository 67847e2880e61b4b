"""Types of options: what a value must be stands in the annotation, and is said in words from there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Whole:
    """A whole number, which may be written `1e6`; the annotation is `Annotated[int, Whole(2, 256)]`.

    Args:
        least: smallest value.
        most: largest value; None is no limit.
        example: a value that fits, as a user would write it.
    """

    least: int = 1
    most: int | None = None
    example: str = "8"

    @property
    def expected(self) -> str:
        """The rule in words, after "must be"."""
        if self.most is None:
            return f"a whole number of at least {self.least}"
        bits = self.most.bit_length()
        most = f"2**{bits} - 1" if bits > 16 and self.most == 2**bits - 1 else self.most
        return f"a whole number from {self.least} to {most}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = core_schema.int_schema(strict=True, ge=self.least, le=self.most)
        return core_schema.no_info_before_validator_function(whole_number, inner)


@dataclass(frozen=True)
class Real:
    """A finite number within bounds; the annotation is `Annotated[float, Real(0, 1)]`.

    Args:
        least: smallest value; None is no limit.
        most: largest value; None is no limit.
        above: the value must be larger than this.
        below: the value must be smaller than this.
        example: a value that fits, as a user would write it.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    example: str = "1.0"

    @property
    def expected(self) -> str:
        """The rule in words, after "must be"."""
        if self.above is not None and self.below is not None:
            return f"a number between {self.above:g} and {self.below:g}"
        if self.above is not None:
            most = "" if self.most is None else f" and at most {self.most:g}"
            return f"a number above {self.above:g}{most}"
        if self.least is None:
            return "a number" if self.most is None else f"a number of at most {self.most:g}"
        if self.most is None:
            return f"a number of at least {self.least:g}"
        return f"a number from {self.least:g} to {self.most:g}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        bounds = {"ge": self.least, "le": self.most, "gt": self.above, "lt": self.below}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        return core_schema.float_schema(strict=True, allow_inf_nan=False, **given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Fitting:
    """A value for which a rule of its own holds; the annotation is `Annotated[Any, Fitting(…)]`.

    Args:
        expected: the rule in words, after "must be".
        holds: whether a value follows it.
        example: a value that fits, as a user would write it.
        read: turns what was given into what is meant, before it is held against the rule; None: it is that already.
    """

    expected: str
    holds: Callable[[Any], bool]
    example: str
    read: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def _check(self, value: Any) -> Any:
        value = value if self.read is None else self.read(value)
        if not self.holds(value):
            raise ValueError(self.expected)
        return value


def whole_number(value: Any) -> Any:
    """Read a whole number that is written as `1e6`; anything else stays what it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Whole(1)]
Size = Annotated[
    int, Whole(1, 2**28 - 1)
]  # the bytes of a matrix with so many rows and columns can still be counted
Index = Annotated[int, Whole(0, example="0")]
Seed = Annotated[int, Whole(0, 2**63 - 1, example="0")]
Number = Annotated[float, Real()]
Positive = Annotated[float, Real(above=0)]
NotNegative = Annotated[float, Real(least=0)]
NotPositive = Annotated[float, Real(most=0, example="0.0")]
Fraction = Annotated[float, Real(0, 1, example="0.5")]
Rate = Annotated[float, Real(above=0, most=1, example="0.01")]  # of a moving average: 0 would never move
Word = Annotated[str, Fitting("a word", lambda value: isinstance(value, str) and value != "", "<name>")]
Capture = Annotated[
    bool | str,
    Fitting("auto, true or false", lambda value: isinstance(value, bool) or value == "auto", "auto"),
]
Group = Annotated[
    Mapping[str, Any], Fitting("a group of options", lambda value: isinstance(value, Mapping), "<option>")
]


def some_of(names: Sequence[str]) -> Fitting:
    """A list of any of several names, each at most once; one of them alone may be written without a list."""

    def read(value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def holds(value: Any) -> bool:
        is_list = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
        return is_list and set(value) <= set(names) and len(set(value)) == len(value)

    return Fitting(f"a list of any of {', '.join(names)}", holds, f"[{names[0]}]", read)


def one_of(names: Sequence[str]) -> Fitting:
    """One of several names that a table has; where they are few and fixed, a `Literal` says the same."""
    return Fitting(f"one of {', '.join(names)}", lambda value: value in tuple(names), names[0])


def list_of(kind: str, holds: Callable[[Any], bool], example: str) -> Fitting:
    """A list of one or more values of a kind.

    Args:
        kind: of the values, in words.
        holds: whether a value is of it.
        example: such a list.
    """

    def is_list(value: Any) -> bool:
        return isinstance(value, list | tuple) and len(value) > 0 and all(map(holds, value))

    return Fitting(f"a list of {kind}", is_list, example)


def weights_of(defaults: Mapping[str, float]) -> Fitting:
    """Weights by name; what is given stands in place of the defaults.

    Args:
        defaults: the weight of every name.
    """

    def read(value: Any) -> Any:
        return {**defaults, **value} if isinstance(value, Mapping) else value

    def holds(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and set(value) == set(defaults)
            and all(map(_is_weight, value.values()))
        )

    expected = f"a mapping of any of {', '.join(defaults)} to a number of at least 0 each"
    return Fitting(expected, holds, f"{{{next(iter(defaults))}: 0.5}}", read)


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


Packages = Annotated[
    Sequence[str],
    Fitting(
        "a list of package names",
        lambda value: isinstance(value, list | tuple) and all(isinstance(name, str) for name in value),
        "[my_package]",
    ),
]
LogTargets = Annotated[Sequence[str], some_of(("tensorboard", "wandb", "mlflow"))]
Instruments = Annotated[Sequence[str], some_of(("saliency", "attention", "probes", "recall"))]
Readouts = Annotated[Sequence[str], some_of(("linear", "mlp"))]
Lags = Annotated[
    Sequence[int],
    Fitting(
        "a list of whole numbers of at least 1",
        lambda value: isinstance(value, list | tuple) and all(type(lag) is int and lag > 0 for lag in value),
        "[1,2,4]",
    ),
]
