"""What `help` shows of a class that takes the fields of a dataclass as further arguments: each of them, spelt out."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Callable
from typing import Any

_SECTION = re.compile(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^(\*{0,2}\w+): (.*(?:\n[ \t]+.*)*)", re.MULTILINE)

_FURTHER = re.compile(r"^    \*\*\w+: .*(?:\n {8,}.*)*", re.MULTILINE)


def documented_arguments(text: str | None) -> dict[str, str]:
    """Read what a docstring says of each argument, by name; its lines as they are, indented where they go on."""
    section = _SECTION.search(inspect.cleandoc(text or ""))
    return {} if section is None else dict(_ENTRY.findall(textwrap.dedent(section[1])))


def whole_signature(function: Callable[..., Any], options: type) -> inspect.Signature:
    """The signature of a constructor, with options in the place of its further arguments.

    Args:
        function: an `__init__` that takes any further arguments.
        options: the dataclass whose fields these are.
    """
    signature, types = inspect.signature(function), typing.get_type_hints(options)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    further = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=types[field.name],
        )
        for field in dataclasses.fields(options)
    ]
    return signature.replace(parameters=[*own, *further])


def whole_docstring(text: str, options: type) -> str:
    """A class's docstring, with what the options' own say of each in the place of its `**settings`.

    Args:
        text: with an entry of further arguments below `Args:`.
        options: the dataclass whose fields these are, and those that it is derived from.
    """
    told: dict[str, str] = {}
    for base in reversed(options.__mro__):
        told |= documented_arguments(base.__doc__)
    lines = [
        f"{field.name}: {told.get(field.name, 'see its class.')}" for field in dataclasses.fields(options)
    ]
    spelt = textwrap.indent("\n".join(lines), "    ")
    return re.sub(
        r"^    \*\*\w+: .*(?:\n {8,}.*)*",
        lambda _: spelt,
        inspect.cleandoc(text),
        count=1,
        flags=re.MULTILINE,
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
