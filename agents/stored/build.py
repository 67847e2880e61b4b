"""Building objects from plain descriptions, and only what a closed table or the user names.

A description is a mapping with a `_target_` (`package.Name`), optionally `_partial_: true`, and keyword
arguments, which may be descriptions themselves. Of Engram it may name what `engram.agents.stored.buildable` lists,
of other packages only those that the reader allows. A stored run can therefore never make the reader run code that is
not one of Engram's own cores, agents, networks, encoders and environments, or that the reader did not name.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engram.agents.stored.buildable import find_own
from engram.agents.stored.names import OWN_PACKAGE, package_of
from engram.common.checked import check_arguments
from engram.common.ids import foreign_package
from engram.common.vector_env import VectorEnv
from engram.common.wrapper_names import wrapper_packages

# No configuration comes near these; text that names itself goes beyond any.
_MAX_DEPTH = 20
_MAX_PARTS = 100_000
_LARGEST = 2**63 - 1
_PLAIN = (bool, int, float, str, type(None))
_DIRECTIVES = ("_target_", "_partial_")


def build(description: Any, allow: Sequence[str] = (), prefix: str = "") -> Any:
    """Build what `description` says, from the inside out.

    Args:
        description: a mapping with `_target_`, or any nesting of mappings, lists and plain values.
        allow: further top-level packages whose classes may be built, and whose environments may be named by an id.
        prefix: what stands before the names of its arguments where a user writes them, `agent.`.

    Returns:
        The object; with `_partial_`, a `functools.partial` of its constructor.

    Raises:
        ValueError: if a target is not allowed, does not exist, or does not take an argument given to it.
    """
    check_buildable(description, allow)
    return _build(description, allow, prefix)


def check_buildable(description: Any, allow: Sequence[str] = ()) -> None:
    """Hold a description against the table of what may be built; nothing is built.

    Args:
        description: as for `build`.
        allow: as for `build`.

    Raises:
        ValueError: if a target is not allowed or does not exist.
    """
    for target, one in check_description(description):
        _check_id(find_target(target, allow), one, allow)


def build_maker(description: Any, name: str, gets: Sequence[str], allow: Sequence[str] = ()) -> Any:
    """Build what a description says, which must make something of arguments that are known only later.

    Args:
        description: as for `build`.
        name: of the option that it is, for the message.
        gets: the names of these arguments.
        allow: as for `build`.

    Raises:
        ValueError: as for `build`, or if it is no such maker.
    """
    made = build(description, allow, f"{name}.")
    if not callable(made):
        raise ValueError(
            f"{name} must be a description with a _target_ and _partial_: true, but got {str(description)[:80]!r}; "
            "write one."
        )
    check_takes(made, dict.fromkeys(gets), name)
    return made


def check_takes(factory: Any, arguments: Mapping[str, Any], name: str) -> None:
    """Refuse to call what does not take these arguments, or needs others.

    Raises:
        ValueError: says which.
    """
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        given = ", ".join(arguments) or "no arguments"
        raise ValueError(
            f"{name} must be made from what it is given ({given}), but cannot: {error}; give it other arguments, "
            "_partial_: true where some are given later, or another _target_."
        ) from error


def check_description(description: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Hold a description against its form, before anything of it is built.

    Args:
        description: as for `build`.

    Returns:
        The targets in it, each with its mapping.

    Raises:
        ValueError: if it holds anything but mappings with words as keys, lists, numbers, words, booleans and null, or
            a directive that is none.
    """
    found = []
    for count, (value, depth) in enumerate(_parts(description, 0)):
        if count >= _MAX_PARTS or depth >= _MAX_DEPTH:
            raise ValueError(
                f"A description has at most {_MAX_PARTS:,} parts, nested at most {_MAX_DEPTH} deep, but more came; "
                "the configuration is damaged."
            )
        if isinstance(value, Mapping):
            _check_mapping(value)
            if "_target_" in value:
                found.append((value["_target_"], value))
        elif not isinstance(value, (*_PLAIN, list, tuple)):
            raise ValueError(
                "A description holds numbers, words, true, false, null, lists and mappings, but got "
                f"a {type(value).__name__}; write it as one of these."
            )
        elif isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
            raise ValueError(
                f"A whole number has at most 64 bits here, but got {len(str(abs(value)))} digits; write fewer."
            )
    return found


def find_target(target: str, allow: Sequence[str] = ()) -> Any:
    """Find the class or function that a `_target_` names.

    Args:
        target: `package.Name` or `package.module.Name`.
        allow: further allowed top-level packages, of which all that they define may be named.

    Raises:
        ValueError: if it is neither in Engram's table nor defined in an allowed package, or not at all.
    """
    if isinstance(allow, str):
        raise ValueError(
            f"allow must be a list of package names, but got {allow!r}; write allow=[{allow!r}]."
        )
    named = [package for package in allow if package != OWN_PACKAGE]
    refusal = (
        f"A _target_ must be defined in one of the packages {', '.join((OWN_PACKAGE, *named))}, but got {target!r}; "
        "to use a package of your own, name it yourself: allow=[my_package]."
    )
    module_name, _, name = target.rpartition(".")
    package = module_name.split(".")[0]
    if package == OWN_PACKAGE:
        return find_own(target)
    if package not in named:
        raise ValueError(refusal)
    module = _import(module_name, target)
    if not hasattr(module, name):
        raise ValueError(
            f"A _target_ must exist, but {target!r} does not: {module_name} defines no {name!r}; correct the name."
        )
    found = getattr(module, name)
    # An allowed module also holds what it imports; only what it defines itself may be built.
    if not callable(found) or package_of(found) not in named:
        raise ValueError(refusal)
    return found


def _build(description: Any, allow: Sequence[str], prefix: str) -> Any:
    if isinstance(description, Mapping):
        arguments = {
            key: _build(value, allow, f"{prefix}{key}.")
            for key, value in description.items()
            if key not in _DIRECTIVES
        }
        if "_target_" not in description:
            return arguments
        target = description["_target_"]
        factory = find_target(target, allow)
        arguments = check_arguments(factory, arguments, target.rpartition(".")[2], prefix)
        if description.get("_partial_", False):
            return functools.partial(factory, **arguments)
        check_takes(factory, arguments, target)
        return factory(**arguments)
    if isinstance(description, list | tuple):
        return [_build(value, allow, prefix) for value in description]
    return description


def _parts(value: Any, depth: int) -> Iterator[tuple[Any, int]]:
    """A value and everything in it, the outer first, with its depth."""
    yield value, depth
    if depth < _MAX_DEPTH:
        inner = value.values() if isinstance(value, Mapping) else value
        for part in inner if isinstance(value, Mapping | list | tuple) else ():
            yield from _parts(part, depth + 1)


def _check_mapping(value: Mapping[Any, Any]) -> None:
    """Refuse keys that are no words, and directives that are unknown or have no such value."""
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"A mapping's keys must be words, but got {key!r}; put it in quotes.")
        if "_target_" in value and key.startswith("_") and key not in _DIRECTIVES:
            raise ValueError(
                f"A description's directives are {' and '.join(_DIRECTIVES)}, but got {key!r}; leave it out."
            )
    if not isinstance(value.get("_target_", ""), str):
        raise ValueError(f"A _target_ must be a word, but got {value['_target_']!r}; write package.Name.")
    if "_target_" in value and not isinstance(value.get("_partial_", False), bool):
        raise ValueError(
            f"_partial_ must be true or false, but got {value['_partial_']!r}; write one of these."
        )


def _check_id(factory: Any, description: Mapping[str, Any], allow: Sequence[str]) -> None:
    """Refuse the id of an environment, or wrappers, whose package was not allowed, before it is imported."""
    id, wrappers = description.get("id"), description.get("wrappers")
    if not (inspect.isclass(factory) and issubclass(factory, VectorEnv)):
        return
    wrappers = list(wrappers) if isinstance(wrappers, list | tuple) else []
    for named in wrapper_packages(wrappers):
        if named not in allow or named == OWN_PACKAGE:
            raise ValueError(
                "A wrapper must be Gymnasium's, or of a package that you allow, but env.wrappers is "
                f"{wrappers!r}: if you trust the package {named!r}, add allow=[{named}] to the command."
            )
    if not isinstance(id, str):
        return
    package = foreign_package(id)
    if package is not None and package not in allow:
        raise ValueError(
            "An environment of a stored run must be Gymnasium's or Engram's own, or of a package that you allow, "
            f"but env.id is {id!r}: if you trust the package {package!r}, add allow=[{package}] to the command."
        )


def _import(module_name: str, target: str) -> Any:
    """Import a module; an error inside of it is its own, and stays as it is."""
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"A _target_ must exist, but {target!r} cannot be found: there is no module {error.name!r}; correct the "
            "name, or go to the folder it lies in."
        ) from error
