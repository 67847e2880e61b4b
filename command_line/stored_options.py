"""The configuration of a stored run as words: what it was trained with, to be trained again, or changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engram.command_line.as_words import CHOSEN, as_words
from engram.command_line.config import compose_plain
from engram.command_line.groups import CONFIG_DIR, group_options
from engram.common.errors import UsageError
from engram.common.nested import dotted
from engram.envs.table import TASKS
from engram.run_files.former_names import (
    has_former_names,
    is_of_before,
    with_present_logging,
    with_present_names,
    with_present_options,
)
from engram.run_files.run_command import read_command

# Where a run was kept and how it was continued is no part of what it is.
_NOT_OF_A_NEW_RUN = ("resume", "config", "sweep", "tune", "trust_edited", "profile")


def is_stored(values: Mapping[str, Any]) -> bool:
    """Whether a file holds a run's whole configuration: every object described by its class."""
    return all(isinstance(values.get(group), dict) and "_target_" in values[group] for group in CHOSEN)


def stored_words(values: Mapping[str, Any], path: Path) -> list[str]:
    """Write a stored configuration as the words of a command.

    An object goes by the option that was chosen for it, and what is different from that option's file; where that
    file has options that the object was not given, by its class and all of its options.

    Args:
        values: as read.
        path: of the file; `command.json` beside it tells the options that were chosen.

    Raises:
        UsageError: if it is of a version whose agents learnt otherwise, or its environment is in no file.
    """
    config = _present(dict(values), path)
    if "_given_" in config["env"]:
        raise UsageError(
            f"An environment that was given from Python is in no file, but the run of {path} was trained in one; give "
            "it again, engram.train(env=…), or add env=<another>."
        )
    rest = {key: value for key, value in config.items() if key not in (*CHOSEN, *_NOT_OF_A_NEW_RUN)}
    if "total_env_steps" not in rest:  # a saved agent's; its horizon alone says nothing
        rest.pop("schedule_env_steps", None)
    asked = _choices(path)
    options = {group: _option_of(group, config[group], asked) for group in CHOSEN}
    size = [f"size={asked['size']}"] if asked.get("size") in group_options("size") else []
    preset, differing = _compared(config, options, size)
    words = [] if options["agent"] == "custom" else size
    for group in CHOSEN:
        words += _object_words(group, config[group], options[group], differing.get(group))
    usual = dotted({key: value for key, value in preset.items() if key not in CHOSEN})
    usual |= {"logging.run_dir": rest.get("logging", {}).get("run_dir")}
    usual |= {"schedule_env_steps": rest.get("total_env_steps")}
    other = {key: value for key, value in dotted(rest).items() if usual.get(key, ...) != value}
    # Not all sizes have the same parts.
    return [
        *words,
        *as_words({f"++{key}" if key.startswith("size.") else key: value for key, value in other.items()}),
    ]


def _present(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """A configuration with the names and options of this version."""
    if has_former_names(config) or is_of_before(path.parent):
        if "replay" in config or "replay" in config["agent"]:
            raise UsageError(
                f"Agents with a replay learn otherwise since engram-rl 0.2, but {path} is of a run of version 0.1; "
                "train it with that version, or choose its options anew."
            )
        config = with_present_options(with_present_names(config))
    return with_present_logging(config)


def _choices(path: Path) -> Mapping[str, str]:
    """The options that were chosen for the run in whose folder a file lies."""
    command = None
    with suppress(ValueError, OSError):
        command = read_command(path.parent)
    return {} if command is None else command.choices


def _option_of(group: str, description: Mapping[str, Any], asked: Mapping[str, str]) -> str:
    """The option that was chosen for an object, or else one whose file names its class."""
    if group == "env" and description.get("name") in TASKS:
        return str(description["name"])
    options = [option for option in group_options(group) if option != "custom"]
    if asked.get(group) in options:
        return asked[group]
    own = re.compile(rf"^ *_target_: {re.escape(str(description['_target_']))}$", re.MULTILINE)
    files = {option: CONFIG_DIR / group / f"{option}.yaml" for option in options}
    return next(
        (one for one, file in files.items() if file.exists() and own.search(file.read_text())), "custom"
    )


def _compared(
    config: Mapping[str, Any], options: dict[str, str], size: list[str]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What the options compose by themselves, and where each object is different from that.

    Args:
        config: as stored.
        options: by group; in place, `custom` for an object that its option's file does not lead to.
        size: the word that chose the agent's size, if any.
    """
    while True:
        words = [f"{group}={option}" for group, option in options.items()]
        words += [] if options["agent"] == "custom" else size
        preset, differing = compose_plain("train", words).values, {}
        for group in (one for one in CHOSEN if options[one] != "custom"):
            try:
                differing[group] = dict(_differences(preset[group], config[group]))
            except LookupError:
                options[group] = "custom"
                break  # what it chose beside itself, such as a size, is no longer there
        else:
            return preset, differing


def _object_words(
    group: str, description: Mapping[str, Any], option: str, differing: Mapping[str, Any] | None
) -> list[str]:
    if differing is None:
        return as_words({group: {"name": "custom", **description}})
    parts = [as_words({f"++{group}.{key}": value}) for key, value in differing.items()]
    return [f"{group}={option}", *(word for words in parts for word in words)]


def _differences(preset: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is stored and is not in a preset, by dotted name.

    Raises:
        LookupError: if the preset has what is not stored, which no word takes away.
    """
    if missing := preset.keys() - stored.keys():
        raise LookupError(sorted(missing)[0])
    for key, value in stored.items():
        before = preset.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping) and value.keys() >= before.keys():
            yield from ((f"{key}.{name}", part) for name, part in _differences(before, value))
        elif key not in preset or value != before or type(value) is not type(before):
            if isinstance(value, Mapping) and before:
                raise LookupError(key)
            yield key, value
