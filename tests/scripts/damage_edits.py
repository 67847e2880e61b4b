"""Every value of a YAML or JSON file changed by hand: to another of its kind, to another kind, removed, added to."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml

# What a hand, a script or a merge leaves where something else was expected.
OTHER_KINDS: tuple[Any, ...] = (
    None,
    "word",
    [1],
    {"a": 1},
    True,
    -1,
    0,
    10**30,
    1e300,
    float("nan"),
    [],
    {},
    "",
    0.5,
)
ADDED = "added_by_hand"
Edit = tuple[str, Callable[[Any], Any]]


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values that hold no other, and of the mappings and lists that hold nothing."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = False
    for key, value in children:
        found = True
        yield from leaves(value, (*path, key))
    if not found:
        yield path


def groups(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all mappings and lists."""
    if isinstance(node, (dict, list)):
        yield path
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from groups(value, (*path, key))


def value_at(document: Any, path: tuple[Any, ...]) -> Any:
    """What lies under a path."""
    for key in path:
        document = document[key]
    return document


def another(value: Any) -> Any:
    """Another value of the same kind, which could have been meant."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.5 + 0.25
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return 1


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value under a path."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    value_at(changed, path[:-1])[path[-1]] = value
    return changed


def _without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    del value_at(changed, path[:-1])[path[-1]]
    return changed


def _with_more(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    group = value_at(changed, path)
    if isinstance(group, dict):
        group[ADDED] = 1
    else:
        group.append(1)
    return changed


def edits(document: Any, kinds: int = 1) -> Iterator[Edit]:
    """All edits of a document.

    Args:
        document: plain values.
        kinds: how many values of another kind each leaf gets.

    Yields:
        A name, and the function that gives the edited copy.
    """
    for path in leaves(document):
        name = ".".join(map(str, path))
        yield f"{name}:another", lambda d, p=path: with_value(d, p, another(value_at(d, p)))
        rng = random.Random(name)
        choices = [value for value in OTHER_KINDS if repr(value) != repr(value_at(document, path))]
        for number, value in enumerate(rng.sample(choices, kinds)):
            yield f"{name}:kind{number}", lambda d, p=path, v=value: with_value(d, p, v)
        if path:
            yield f"{name}:removed", lambda d, p=path: _without(d, p)
    for path in groups(document):
        name = ".".join(map(str, path)) or "top"
        yield f"{name}:added", lambda d, p=path: _with_more(d, p)
        if path:
            yield f"{name}:emptied", lambda d, p=path: with_value(d, p, type(value_at(d, p))())
            yield f"{name}:group-removed", lambda d, p=path: _without(d, p)


def parse(name: str, text: str) -> Any:
    """Read a text by its file's name: YAML, JSON, or JSON lines as a list."""
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def unparse(name: str, document: Any) -> str:
    """The inverse of `parse`, as far as an edited document lets it."""
    if name.endswith(".jsonl"):
        lines = document if isinstance(document, list) else [document]
        return "".join(json.dumps(line) + "\n" for line in lines)
    if name.endswith(".json"):
        return json.dumps(document, indent=1) + "\n"
    return str(yaml.safe_dump(document, sort_keys=False))
