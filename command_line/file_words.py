"""What a file of the user's own options says, as words: written as Python writes them, or as an experiment is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.command_line.as_words import CHOSEN, as_words
from engram.command_line.words import write_value
from engram.common.errors import UsageError

# What a file may hold for one command and is left out by the others.
_OF_COMMANDS: dict[str, tuple[str, ...]] = {"train": (), "sweep": ("sweep",), "tune": ("sweep", "tune")}
_NOT_IN_A_FILE = {"config": "another file", "resume": "a run to be continued"}


def file_words(values: Mapping[str, Any], path: Path, name: str) -> list[str]:
    """Write the options of a file as the words of a command.

    Args:
        values: `core: gru`, or `core: {name: gru, hidden_size: 64}`, and any other option, nested or by its dotted
            name; `defaults` as in an experiment.
        path: of the file, for messages.
        name: of the command.

    Raises:
        UsageError: for what no file of options holds.
    """
    for key, what in _NOT_IN_A_FILE.items():
        if values.get(key) is not None:
            raise UsageError(
                f"A file of options names options alone, but {path} names {what}; leave {key} out."
            )
    kept = {key: value for key, value in values.items() if key not in ("defaults", "config", "resume")}
    groups: dict[str, Any] = {key: kept.pop(key) for key in ("sweep", "tune") if key in kept}
    chosen = dict(_defaults(values.get("defaults"), path))
    for key, choice in chosen.items():
        kept[key] = _chosen(choice, kept.get(key), key in CHOSEN)
    kept = {key: _described(value) if key in CHOSEN else value for key, value in kept.items()}
    words = [_plus_first(word) for word in as_words(kept)]
    for group in _OF_COMMANDS[name]:
        words += _group_words(group, groups.get(group), path)
    return words


def _defaults(entries: Any, path: Path) -> Iterator[tuple[str, str]]:
    """The choices of a defaults list: `override /core: gru`, or the name of an experiment."""
    for entry in entries or ():
        if entry == "_self_":
            continue
        if isinstance(entry, str):
            yield "experiment", entry
        elif isinstance(entry, Mapping) and len(entry) == 1:
            ((key, choice),) = entry.items()
            yield str(key).removeprefix("override ").strip("/ "), str(choice)
        else:
            raise UsageError(
                f"The defaults of a file choose options, as '- override /core: gru', but {path} has {entry!r}; leave "
                "them out, and write core: gru."
            )


def _chosen(choice: str, options: Any, has_options: bool) -> Any:
    """What a defaults list chooses, with the options that the file gives for it whatever is chosen."""
    return {"name": choice, **options} if has_options and isinstance(options, Mapping) else choice


def _described(value: Any) -> Any:
    """An object described by its class is one of the user's own choice."""
    is_custom = isinstance(value, Mapping) and "_target_" in value and "name" not in value
    return {"name": "custom", **value} if is_custom else value


def _plus_first(word: str) -> str:
    """`core.+init=…` as it is given on a command line, `+core.init=…`: an argument that no YAML lists."""
    key, equals, value = word.partition("=")
    if ".+" not in key:
        return word
    bare = key.lstrip("+").replace(".+", ".")
    return f"{'++' if key.startswith('++') else '+'}{bare}{equals}{value}"


def _group_words(group: str, options: Any, path: Path) -> list[str]:
    """The options of a sweep or a search: its axes and its space are words of their own."""
    if options is None:
        return []
    if not isinstance(options, Mapping):
        raise UsageError(
            f"{group} must be a group of options, but {path} has {options!r}; see docs/own_files.md."
        )
    rest = {key: value for key, value in options.items() if key not in ("axes", "space")}
    axes = [f"{key}={_several(value)}" for key, value in (options.get("axes") or {}).items()]
    space = [f"{group}.space.{key}={_several(value)}" for key, value in (options.get("space") or {}).items()]
    nested = [f"{group}.{key}={_written(value)}" for key, value in rest.items()]
    return [*axes, *space, *nested]


def _several(values: Any) -> str:
    parts = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    return ",".join(map(_written, parts))


def _written(value: Any) -> str:
    return write_value(value)
