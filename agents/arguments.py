"""Plain values against the annotations of what they are given to."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a word",
    type(None): "null",
    list: "a list",
    dict: "a mapping",
    Callable: "a _target_ with _partial_: true",
}
_LISTS = (list, tuple, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)


def fit_arguments(factory: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Hold arguments against the signature of `factory`, so that a wrong one is named before it is used.

    Annotations other than of numbers, words, lists, mappings and callables are taken to fit.

    Args:
        factory: a class or function.
        arguments: keyword arguments for it, maybe not all.
        name: of the factory, for the message.

    Returns:
        The arguments, those that are to be whole numbers as such.

    Raises:
        ValueError: if it takes no such argument, or one of another type.
    """
    fitted = dict(arguments)
    try:
        parameters = inspect.signature(factory).parameters
        annotated = factory.__init__ if inspect.isclass(factory) else factory
        annotations = typing.get_type_hints(annotated)
    except (TypeError, ValueError, NameError):
        return fitted
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        check_names(arguments, parameters, name)
    for key in (key for key in arguments if key in parameters and key in annotations):
        fitted[key] = value = _read(arguments[key], annotations[key])
        if not _fits(value, annotations[key]):
            raise ValueError(
                f"{key} of {name} must be {describe(annotations[key])}, but got {value!r}; give it another value."
            )
    return fitted


def whole_number(value: Any) -> Any:
    """Read a whole number that is written as `1e6`; anything else stays what it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_names(arguments: Iterable[str], known: Iterable[str], name: str) -> None:
    """Refuse the first argument of `name` that is not a known one.

    Raises:
        ValueError: lists the known ones.
    """
    known = list(known)
    for key in arguments:
        if key not in known:
            raise ValueError(f"{name} takes the arguments {', '.join(known)}, but got {key!r}; leave it out.")


def describe(annotation: Any) -> str:
    """Say in words which values an annotation asks for."""
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(describe(option) for option in get_args(annotation))
    origin = get_origin(annotation) or annotation
    if origin in _LISTS:
        inner = [describe(option) for option in get_args(annotation) if option is not Ellipsis]
        return "a list" + (f" whose parts are each {inner[0]}" if inner else "")
    if origin in _MAPPINGS:
        return _NAMES[dict]
    if origin is collections.abc.Callable or getattr(origin, "_is_protocol", False):
        return _NAMES[Callable]
    return _NAMES.get(origin, getattr(origin, "__name__", str(origin)))


def _read(value: Any, annotation: Any) -> Any:
    """What a value means where a whole number, or a list of such, is asked for."""
    if _fits(value, annotation):
        return value
    whole = [whole_number(part) for part in value] if isinstance(value, list | tuple) else whole_number(value)
    return whole if _fits(whole, annotation) else value


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value is what an annotation asks for; true where that cannot be told."""
    origin = get_origin(annotation) or annotation
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(annotation))
    if origin is Literal:
        return value in get_args(annotation)
    if origin in (int, float):
        kinds = int if origin is int else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    if origin in _LISTS:
        parts = get_args(annotation)
        return isinstance(value, list | tuple) and all(_fits(part, parts[0]) for part in value if parts)
    if origin in _MAPPINGS:
        return isinstance(value, Mapping)
    if origin is collections.abc.Callable or getattr(origin, "_is_protocol", False):
        return callable(value)
    if origin in (bool, str, type(None)):
        return isinstance(value, origin)
    return True
