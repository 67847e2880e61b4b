"""Arguments held against the annotations of what they are given to: one sentence for each that is wrong.

What a class or a function takes is said once, by its signature. `check_arguments` holds values against it, `checked`
does so whenever it is called, `Checked` for a class and all that are derived from it, and `settings` makes a dataclass
of options that is checked when it is made.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

from engram.common.annotations import (
    annotations_of,
    default_of,
    describe,
    fitting_value,
    further_options,
    meant_value,
)
from engram.common.other_names import other_names
from engram.common.spelt_out import whole_docstring, whole_signature

Class = TypeVar("Class", bound=type)
Made = TypeVar("Made", bound=Callable[..., Any])


class OptionError(ValueError):
    """An option that breaks its rule: says the rule, what was expected, what came, and what to do."""


class UnknownOptionError(OptionError, TypeError):
    """There is no such option.

    It is a TypeError, and says so in Python's words, for those who try options and leave out what is not known, as
    clients of Gymnasium do. It takes its text alone, since `gymnasium.make` makes another of the same type.
    """


def check_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any], owner: str, prefix: str = ""
) -> dict[str, Any]:
    """Hold keyword arguments against the signature of a class or function, so that a wrong one is named before use.

    Annotations other than of numbers, words, choices, lists, mappings, callables and the types of `option_types` are
    taken to fit.

    Args:
        function: a class or function.
        arguments: for it, maybe not all.
        owner: its name for the sentence, `PPO`.
        prefix: what stands before the option's name where a user writes it, `agent.`.

    Returns:
        The arguments as they are meant: a whole number as such, however it was written.

    Raises:
        OptionError: names the first argument that it does not take, or whose value does not fit.
    """
    known = annotations_of(function)
    if known is None:
        return dict(arguments)
    takes_any, annotations = known
    if not takes_any:
        check_names(arguments, annotations, owner, prefix)
    return {
        name: check_value(value, annotations[name], name, owner, prefix, default_of(function, name))
        if name in annotations
        else value
        for name, value in arguments.items()
    }


def check_names(
    names: typing.Iterable[str], known: typing.Iterable[str], owner: str, prefix: str = ""
) -> None:
    """Refuse the first name that is not a known one.

    Raises:
        UnknownOptionError: lists the known ones, and says which one may have been meant.
    """
    known = list(known)
    for name in names:
        if name in known:
            continue
        nearest = [other for other in other_names(name) if other in known]
        nearest = nearest or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        what_to_do = f"did you mean {prefix}{nearest[0]}?" if nearest else "leave it out."
        raise UnknownOptionError(
            f"{owner} takes the arguments {', '.join(known) or 'none'}, but got an unexpected keyword argument "
            f"{prefix + name!r}; {what_to_do}"
        )


def check_value(
    value: Any,
    annotation: Any,
    name: str,
    owner: str = "",
    prefix: str = "",
    default: Any = inspect.Parameter.empty,
) -> Any:
    """Hold one value against an annotation.

    Args:
        value: as given.
        annotation: what it must be.
        name: of the option.
        owner: what the option belongs to; empty for an option of a command.
        prefix: what stands before the name where a user writes it.
        default: of the option, the best example of a value that fits.

    Returns:
        The value that is meant.

    Raises:
        OptionError: if it does not fit.
    """
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return _group_of_options(value, annotation, name, owner, prefix, default)
    try:
        return fitting_value(value, annotation)
    except ValueError as error:
        raise refusal(
            name, describe(annotation), value, meant_value(value, annotation, default), owner, prefix
        ) from error


def _group_of_options(value: Any, options: type, name: str, owner: str, prefix: str, default: Any) -> Any:
    """Make a group of options of the mapping that a user gives; what is made already stays what it is.

    Args:
        value: as given.
        options: the dataclass that lists them.
        name: of the group.
        owner: what it belongs to.
        prefix: what stands before the name where a user writes it.
        default: the group where nothing is given; what a mapping does not name stays as it is there.
    """
    if isinstance(value, options):
        return value
    if not isinstance(value, Mapping):
        raise refusal(name, "a group of options", value, "", owner, prefix)
    check_names(value, (field.name for field in dataclasses.fields(options)), name, f"{prefix}{name}.")
    kept = vars(default) if type(default) is options else {}
    return options(**{**kept, **value})


def refusal(
    name: str, expected: str, got: Any, meant: str = "", owner: str = "", prefix: str = ""
) -> OptionError:
    """The sentence for an option that breaks a rule.

    Args:
        name: of the option.
        expected: the rule, after "must be".
        got: its value.
        meant: a value that would do; empty if none is known.
        owner: what the option belongs to, if that has a name.
        prefix: what stands before the name where a user writes it.
    """
    whose = f" of {owner}" if owner else ""
    what_to_do = f"set {prefix}{name}={meant}" if meant else f"change {prefix}{name}"
    return OptionError(f"{name}{whose} must be {expected}, but got {got!r}; {what_to_do}.")


def require(holds: bool, name: str, expected: str, got: Any, owner: Any = "", prefix: str = "") -> None:
    """Hold an option against a rule that depends on others.

    Args:
        holds: whether it follows the rule.
        name: of the option.
        expected: the rule, after "must be", with the others' values.
        got: its value.
        owner: what the option belongs to: its name, or an object of the class.
        prefix: what stands before the name where a user writes it.

    Raises:
        OptionError: if it does not hold.
    """
    if not holds:
        owner = owner if isinstance(owner, str) else type(owner).__name__
        raise refusal(name, expected, got, "", owner, prefix)


def checked(function: Made) -> Made:
    """Hold the arguments of every call against a function's annotations.

    Args:
        function: a function, or the `__init__` of a class, whose name is then that of the sentence.
    """
    signature, is_constructor = inspect.signature(function), function.__name__ == "__init__"
    further = next((name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD), "")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        owner = type(args[0]).__name__ if is_constructor else function.__name__
        takes_any, names = annotations_of(function) or (True, {})
        if not takes_any:
            check_names(kwargs, names, owner)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # Python says best what is missing
        given, rest = bound.arguments, bound.arguments.get(further, {})
        named = {name: given[name] for name in names if name in given}
        fitting = check_arguments(function, {**named, **rest}, owner)
        given.update({name: fitting[name] for name in named})
        if rest:
            given[further] = {name: fitting[name] for name in rest}
        return function(*bound.args, **bound.kwargs)

    return typing.cast(Made, call)


class Checked:
    """Base of classes whose constructors, and those of classes derived from them, are `checked`.

    Further arguments that are annotated `Annotated[Any, Options]` are spelt out for `help`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            return
        written, constructor = cls.__init__, checked(cls.__init__)
        if (options := further_options(written)) is not None:
            constructor.__signature__ = whole_signature(written, options)  # type: ignore[attr-defined]
            cls.__doc__ = whole_docstring(cls.__doc__ or "", options)
        cls.__init__ = constructor  # type: ignore[method-assign]


def check_options(values: Mapping[str, Any], options: type, prefix: str = "") -> dict[str, Any]:
    """Hold a command's options against the class that lists them.

    Args:
        values: plain mapping; not changed. What the class does not list is left as it is.
        options: made by `settings`; a field of such a class is a group of options.
        prefix: what stands before the names: the group's, and a dot.

    Returns:
        The values with what was meant: whole numbers as such, however they were written.

    Raises:
        OptionError: names the first option that is missing or breaks its rule.
    """
    known = annotations_of(options)
    assert known is not None
    checked_values = dict(values)
    for name, annotation in known[1].items():
        default = default_of(options, name)
        if name not in values:
            meant = meant_value(None, annotation, default)
            raise OptionError(
                f"The configuration must hold {prefix}{name}, but has none; give {prefix}{name}={meant or '<value>'}."
            )
        value = values[name]
        if not dataclasses.is_dataclass(annotation):
            checked_values[name] = check_value(value, annotation, f"{prefix}{name}", default=default)
        elif isinstance(value, Mapping):
            assert isinstance(annotation, type)
            checked_values[name] = check_options(value, annotation, f"{prefix}{name}.")
        else:
            raise refusal(f"{prefix}{name}", "a group of options", value)
    return checked_values


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(owner: str = "", prefix: str = "") -> Callable[[Class], Class]:
    """Make a frozen dataclass of options, each held against its annotation when it is made.

    A method `check` of the class, if there is one, then looks at several options together.

    Args:
        owner: what the options belong to, for the sentence.
        prefix: what stands before an option's name where a user writes it.
    """

    def decorate(cls: Class) -> Class:
        def check_all(self: Any) -> None:
            given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
            for name, value in check_arguments(type(self), given, owner, prefix).items():
                object.__setattr__(self, name, value)
            if hasattr(self, "check"):
                self.check()

        cls.__post_init__ = check_all  # type: ignore[attr-defined]
        made: Any = dataclasses.dataclass(frozen=True, kw_only=True)
        return typing.cast(Class, made(cls))

    return decorate
