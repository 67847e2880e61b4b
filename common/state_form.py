"""What a stored state must look like: its nesting, keys, shapes, dtypes and kinds of values.

A form is nested as the state is. Its leaves are tensors, whose shape and dtype are expected, or one of the classes
below; a dict expects its own keys, a list so many parts. An object's own `state_dict()` is therefore a form already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LARGEST = 2**63 - 1  # of any counter


class StateError(ValueError):
    """A stored state that is not of the form expected; the text names the place in it."""


@dataclass(frozen=True)
class Numbers:
    """A tensor.

    Attributes:
        shape: None stands for any length.
        dtype: None allows any.
        low: the least number that is allowed; None allows any.
        finite: NaN and infinities are refused.
    """

    shape: tuple[int | None, ...]
    dtype: torch.dtype | None = None
    low: float | None = None
    finite: bool = True

    def __str__(self) -> str:
        return f"{_name(self.dtype)} {_shape(self.shape)}"

    def fault(self, got: Any) -> str | None:  # noqa: D102
        if not isinstance(got, Tensor):
            return f"expected {self}, got {_told(got)}"
        fits = got.ndim == len(self.shape) and all(
            size is None or size == own for size, own in zip(self.shape, got.shape, strict=True)
        )
        if not fits or self.dtype not in (None, got.dtype):
            return f"expected {self}, got {_told(got)}"
        if self.finite and (got.is_floating_point() or got.is_complex()) and not got.isfinite().all():
            return "expected finite numbers, got some that are not"
        if self.low is not None and got.numel() and bool((got < self.low).any()):
            return f"expected numbers of at least {self.low:g}, got {got.min().item():g}"
        return None


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int = 0
    high: int = LARGEST

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def fault(self, got: Any) -> str | None:  # noqa: D102
        fits = isinstance(got, int) and not isinstance(got, bool) and self.low <= got <= self.high
        return None if fits else f"expected {self}, got {_told(got)}"


@dataclass(frozen=True)
class Real:
    """A finite number of at least `low`."""

    low: float = -math.inf

    def __str__(self) -> str:
        return "a finite number" if self.low == -math.inf else f"a finite number of at least {self.low:g}"

    def fault(self, got: Any) -> str | None:  # noqa: D102
        is_number = isinstance(got, int | float) and not isinstance(got, bool)
        fits = is_number and self.low <= got and abs(got) < 1e300
        return None if fits else f"expected {self}, got {_told(got)}"


@dataclass(frozen=True)
class Kind:
    """A plain value of one type, such as `bool` or `str`."""

    type: type

    def __str__(self) -> str:
        return {bool: "true or false", str: "a text"}.get(self.type, self.type.__name__)

    def fault(self, got: Any) -> str | None:  # noqa: D102
        return None if isinstance(got, self.type) else f"expected {self}, got {_told(got)}"


@dataclass(frozen=True)
class ListOf:
    """A list of any length, every part of one form."""

    form: Any


@dataclass(frozen=True)
class MapOf:
    """A mapping with any names, every value of one form."""

    form: Any


@dataclass(frozen=True)
class OrNull:
    """None, or a value of the form."""

    form: Any


@dataclass(frozen=True)
class Maybe:
    """A key that may be missing: what is created late, or was not stored by earlier versions."""

    form: Any


@dataclass(frozen=True)
class AtLeast:
    """A mapping with these keys, and any others."""

    parts: Mapping[str, Any]


@dataclass(frozen=True)
class ByKey:
    """A mapping of one of two forms, told apart by a key that only the first has."""

    key: str
    first: Any
    second: Any


class Anything:
    """Whatever an object of the user's own has stored."""


Leaf = Numbers | Whole | Real | Kind


def check_like(expected: Any, got: Any, where: str = "") -> None:
    """Hold a stored state against its form; neither is changed.

    Args:
        expected: the form, see above. Plain values (numbers, texts, None) are expected themselves.
        got: nested dicts and lists of tensors and plain values.
        where: names of the dicts around it, for the message, such as `agent/optimizer`.

    Raises:
        StateError: names the first place that differs, what was expected there and what is there.
    """
    if isinstance(expected, Anything):
        return
    if isinstance(expected, Maybe | OrNull):
        if got is not None or isinstance(expected, Maybe):
            check_like(expected.form, got, where)
    elif isinstance(expected, ByKey):
        has_key = isinstance(got, Mapping) and expected.key in got
        check_like(expected.first if has_key else expected.second, got, where)
    elif isinstance(expected, Tensor):
        check_like(Numbers(tuple(expected.shape), expected.dtype), got, where)
    elif isinstance(expected, Leaf):
        _require(expected.fault(got), where)
    elif isinstance(expected, ListOf | list | tuple):
        _check_list(expected, got, where)
    elif isinstance(expected, MapOf | AtLeast | Mapping):
        _check_mapping(expected, got, where)
    elif type(expected) is not type(got) or expected != got:
        _require(f"expected {expected!r}, got {_told(got)}", where)


def _check_list(expected: Any, got: Any, where: str) -> None:
    if not isinstance(got, list | tuple):
        _require(f"expected a list, got {_told(got)}", where)
    forms = [expected.form] * len(got) if isinstance(expected, ListOf) else expected
    if len(forms) != len(got):
        _require(f"expected {len(forms)} parts, got {len(got)}", where)
    for index, (form, part) in enumerate(zip(forms, got, strict=True)):
        check_like(form, part, _join(where, str(index)))


def _check_mapping(expected: Any, got: Any, where: str) -> None:
    if not isinstance(got, Mapping):
        _require(f"expected a mapping, got {_told(got)}", where)
    if isinstance(expected, MapOf):
        forms: Mapping[str, Any] = dict.fromkeys(got, expected.form)
    else:
        forms = expected.parts if isinstance(expected, AtLeast) else expected
    for key, form in forms.items():
        if key in got:
            check_like(form, got[key], _join(where, key))
        elif not isinstance(form, Maybe):
            _require("expected, but missing", _join(where, key))
    if not isinstance(expected, AtLeast):
        for key in got:
            if key not in forms:
                _require(f"not expected, got {_told(got[key])}", _join(where, key))


def _require(fault: str | None, where: str) -> None:
    if fault is not None:
        raise StateError(f"{where or 'the whole'}: {fault}")


def _join(where: str, key: str) -> str:
    return f"{where}/{key}" if where else str(key)


def _told(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, Tensor):
        return f"{_name(value.dtype)} {_shape(tuple(value.shape))}"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _name(dtype: torch.dtype | None) -> str:
    return "numbers" if dtype is None else str(dtype).removeprefix("torch.")


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"
