"""Everything whose options are typed, found by itself: what may be built, and the classes that list options."""

import dataclasses
import functools
import importlib
import inspect
import typing
from pathlib import Path

from engram.agents.stored.buildable import table
from engram.common.annotations import annotations_of, fitting_value

ROOT = Path(__file__).resolve().parents[2]
# Tried for every option, each refused by some; {} and [] may be descriptions, and anything may be an object.
VALUES = ("a_word", -1, 0, 1, 1.5, True, None, [1], ["a_word"], {"a": 1}, print)


@functools.cache
def settings_classes():
    """The classes made by `settings`, by module and name; benchmarks have one each of the same name."""
    found = {}
    files = [
        path for init in sorted(ROOT.glob("*/__init__.py")) for path in sorted(init.parent.rglob("*.py"))
    ]
    for path in files:
        if "@settings(" not in path.read_text():
            continue
        module = importlib.import_module(".".join(("engram", *path.relative_to(ROOT).with_suffix("").parts)))
        for name, one in vars(module).items():
            if dataclasses.is_dataclass(one) and one.__module__ == module.__name__ and is_settings(one):
                found[f"{module.__name__}.{name}"] = one
    return found


def is_settings(kind):
    made_by = getattr(getattr(kind, "__post_init__", None), "__qualname__", "")
    return inspect.isclass(kind) and made_by.startswith("settings.")


@functools.cache
def typed_things():
    """Everything of which a user gives options, by its name: a call of it with a wrong one is refused."""
    listed = settings_classes()  # first: it imports everything, of which the table has what is there
    return {**table(), **listed}


def options_of(thing):
    """The options of a class or function with what they must be, without those of which anything is taken to fit."""
    return {name: one for name, one in annotations_of(thing)[1].items() if refused_values(one)}


def refused_values(annotation):
    return [value for value in VALUES if not fits(value, annotation)]


def fits(value, annotation):
    try:
        fitting_value(value, annotation)
    except ValueError:
        return False
    return True


def needed_arguments(thing):
    """Values for the arguments that have no default, each of the kind that it must be."""
    annotations = annotations_of(thing)[1]
    return {
        name: next(
            value
            for value in (*VALUES, *typing.get_args(annotations[name]))
            if fits(value, annotations[name])
        )
        for name, one in inspect.signature(thing).parameters.items()
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    }
