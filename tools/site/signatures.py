"""Signatures of settings for the reference: their `__init__` is written by a decorator, which is not run here."""

from __future__ import annotations

from typing import Any

import griffe


class SettingsSignatures(griffe.Extension):
    """Give every class below the decorator `settings` the signature of its fields, inherited ones first."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Write the beginning of an example as Markdown has it."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("Example::\n", "For example:\n")

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Change a package once all of it is read."""
        self._walk(pkg["agents"])

    def _walk(self, scope: griffe.Module | griffe.Class) -> None:
        for member in list(scope.members.values()):
            if isinstance(member, griffe.Class) and _is_settings(member):
                _add_signature(member)
            elif isinstance(member, griffe.Module):
                self._walk(member)


def _is_settings(found: griffe.Class) -> bool:
    return any(str(decorator.value).startswith("settings(") for decorator in found.decorators)


def _add_signature(found: griffe.Class) -> None:
    fields: dict[str, griffe.Parameter] = {}
    for base in reversed([found, *found.mro()]):
        for name, member in base.members.items():
            if not isinstance(member, griffe.Attribute) or "property" in member.labels:
                continue
            if member.annotation is not None and name[0] != "_":
                fields[name] = griffe.Parameter(
                    name,
                    annotation=member.annotation,
                    kind=griffe.ParameterKind.keyword_only,
                    default=member.value,
                )
    function = griffe.Function(
        "__init__", parameters=griffe.Parameters(*fields.values()), returns="None", parent=found
    )
    found.set_member("__init__", function)
