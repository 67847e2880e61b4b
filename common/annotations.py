"""Annotations of options: what they ask for in words, and whether a value is that."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engram.common.option_types import Fitting, Real, Whole, whole_number

_RULES = (Whole, Real, Fitting)
_LISTS = (list, tuple, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)
_SAID: dict[Any, tuple[str, str]] = {  # kind → what it is called, and an example
    int: ("a whole number", "8"),
    float: ("a number", "1.0"),
    bool: ("true or false", "true"),
    str: ("a word", "<name>"),
    type(None): ("null", "null"),
    collections.abc.Callable: ("a class or function, in a configuration a _target_ with _partial_: true", ""),
}


def describe(annotation: Any) -> str:
    """Say in words which values an annotation asks for, after "must be"."""
    rule = _rule(annotation)
    if rule is not None:
        return rule.expected
    origin = get_origin(annotation) or annotation
    if origin is Annotated:
        return describe(get_args(annotation)[0])
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(annotation) if option is not type(None)]
        words = " or ".join(describe(option) for option in options)
        return words if len(options) == len(get_args(annotation)) else f"{words}, or null"
    if origin in _LISTS:
        inner = [describe(option) for option in get_args(annotation) if option is not Ellipsis]
        return "a list" + (f" whose parts are each {inner[0]}" if inner else "")
    if origin in _MAPPINGS:
        return "a mapping"
    return _SAID.get(origin, (getattr(origin, "__name__", str(origin)), ""))[0]


def fitting_value(value: Any, annotation: Any) -> Any:
    """Read a value as what an annotation asks for.

    Raises:
        ValueError: if it is not that.
    """
    return _adapter(annotation).validate_python(value)


def meant_value(value: Any, annotation: Any, default: Any) -> str:
    """What was probably meant: `10k` is 10000, a single word a list of it; else the default, or an example."""
    short = re.fullmatch(r"([\d.]+)\s*([kKmM])", value) if isinstance(value, str) else None
    tried: list[Any] = [[value]] if isinstance(value, str) else []
    if short:
        tried = [whole_number(float(short[1]) * {"k": 1e3, "m": 1e6}[short[2].lower()])]
    for one in tried:
        if _fits(one, annotation):
            return f"[{value}]" if isinstance(one, list) else _written(one)
    if default is not inspect.Parameter.empty and _is_plain(default) and default is not None:
        return _written(default)
    rule = next((found for found in map(_rule, _alternatives(annotation)) if found is not None), None)
    if rule is not None:
        return rule.example
    first = _alternatives(annotation)[0]
    if get_origin(first) is Literal:
        return str(get_args(first)[0])
    return _SAID.get(get_origin(first) or first, ("", ""))[1]


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) or (
        isinstance(value, list | tuple) and all(map(_is_plain, value))
    )


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    return f"[{','.join(map(_written, value))}]" if isinstance(value, list | tuple) else str(value)


@functools.cache
def annotations_of(function: Callable[..., Any]) -> tuple[bool, dict[str, Any]] | None:
    """Whether a signature takes any further names, and its parameters' annotations; None where it cannot be read.

    Further arguments that are annotated `Annotated[Any, Options]` are the fields of that dataclass.
    """
    try:
        parameters = written_signature(function).parameters
        hints = _hints(_annotated(function))
    except (TypeError, ValueError):
        return None
    named = [one for one in parameters.values() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    own = {one.name: hints.get(one.name, Any) for one in named if one.name != "self"}
    options = further_options(function)
    if options is not None:
        return False, {**own, **_hints(options)}
    return any(one.kind is one.VAR_KEYWORD for one in parameters.values()), own


@functools.cache
def further_options(function: Callable[..., Any]) -> type | None:
    """The dataclass whose fields a function takes as further arguments, if it does."""
    for one in written_signature(function).parameters.values():
        if one.kind is one.VAR_KEYWORD:
            parts = get_args(_hints(_annotated(function)).get(one.name))[1:]
            return next(
                (part for part in parts if inspect.isclass(part) and dataclasses.is_dataclass(part)), None
            )
    return None


def written_signature(function: Callable[..., Any]) -> inspect.Signature:
    """A signature as its code has it, in which further options are not spelt out as `help` shows them."""
    init = inspect.unwrap(function.__init__) if inspect.isclass(function) else None
    if not inspect.isfunction(init):
        return inspect.signature(function)
    signature = inspect.signature(init)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _annotated(function: Callable[..., Any]) -> Any:
    """What has the annotations of a class or function."""
    # A dataclass is annotated by its fields: strings of a module that its `__init__` does not see.
    has_fields = inspect.isclass(function) and dataclasses.is_dataclass(function)
    return inspect.unwrap(function.__init__ if inspect.isclass(function) and not has_fields else function)


def _hints(source: Any) -> dict[str, Any]:
    """The annotations of a function or dataclass; a name that only a type checker knows leaves its own out."""
    try:
        return typing.get_type_hints(source, include_extras=True)
    except NameError:
        names = getattr(source, "__globals__", {})
        found = {}
        for name, text in getattr(source, "__annotations__", {}).items():
            try:
                found[name] = eval(text, names) if isinstance(text, str) else text
            except NameError:
                continue
        return found


@functools.cache
def default_of(function: Callable[..., Any], name: str) -> Any:
    """The default of a parameter; `inspect.Parameter.empty` if it has none."""
    parameters, options = written_signature(function).parameters, further_options(function)
    return default_of(options, name) if options and name not in parameters else parameters[name].default


def _rule(annotation: Any) -> Whole | Real | Fitting | None:
    """The rule in an `Annotated` type, if there is one."""
    for one in get_args(annotation)[1:] if get_origin(annotation) is Annotated else ():
        if isinstance(one, _RULES):
            return one
    return None


def _fits(value: Any, annotation: Any) -> bool:
    try:
        _adapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return _cached_adapter.__wrapped__(annotation)


@functools.lru_cache(maxsize=4096)
def _cached_adapter(annotation: Any) -> TypeAdapter[Any]:
    config = ConfigDict(arbitrary_types_allowed=True, strict=True)
    return TypeAdapter(_checkable(annotation), config=config)


def _checkable(annotation: Any) -> Any:
    """What of an annotation can be checked; `Any` in the place of classes, whose objects are taken to fit."""
    if _rule(annotation) is not None:
        return annotation
    origin = get_origin(annotation) or annotation
    parts = get_args(annotation)
    if origin is Annotated:
        return _checkable(parts[0])
    if origin in (Union, types.UnionType):
        return Union[tuple(_checkable(part) for part in parts)]  # noqa: UP007
    if origin in _LISTS:
        inner = _checkable(next((part for part in parts if part is not Ellipsis), Any))
        return Annotated[list[inner] | tuple[inner, ...], _AS_GIVEN]  # type: ignore[valid-type]
    if origin in _MAPPINGS:
        return Mapping[str, Any]
    if origin is collections.abc.Callable or getattr(origin, "_is_protocol", False):
        return Callable[..., Any]
    if origin is int:
        return Annotated[int, Whole(least=-(2**63))]
    return annotation if origin in (float, bool, str, type(None), Literal) else Any


_AS_GIVEN = "a list or a tuple, as given"
