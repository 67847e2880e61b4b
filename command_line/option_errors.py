"""What Hydra finds wrong with the options, in one sentence: rule, expected, got, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engram.command_line.groups import GROUPS, group_options, options_with, takes_by_kwargs
from engram.command_line.suggestions import MOST, listed, nearest_keys, nearest_option

_MOST_KEYS = 15  # a group's keys are all listed up to so many


def explain(message: str, name: str, words: Sequence[str], known: Sequence[str]) -> str:
    """Say what is wrong.

    Args:
        message: Hydra's.
        name: of the command's YAML.
        words: of the command.
        known: every option that exists with the groups chosen, by its dotted key.
    """
    unknown_option = re.search(r"Could not find '(\w+)/([^']+)'", message)
    if unknown_option:
        return _unknown_option(unknown_option[1], unknown_option[2], name)
    unknown_key = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", message)
    if unknown_key:
        return _unknown_key(unknown_key.group(1) or unknown_key.group(2), words, known)
    interpolation = re.search(r"Interpolation key '([^']+)' not found", message)
    if interpolation:
        return (
            f"A reference ${{…}} must name an option, but {interpolation.group(1)!r} is none; "
            "write the value itself, or another name."
        )
    first = " ".join(message.split("See https://hydra.cc")[0].split())
    return (
        f"Options must be written in Hydra's grammar, key=value, but they could not be read ({first[:300]}); "
        "put words with special characters in quotes, key='\"value\"'."
    )


def _unknown_option(group: str, got: str, name: str) -> str:
    options, meant = group_options(group), nearest_option(group, got)
    what_to_do = f"write {meant}" if meant else f"engram {name} --help all lists all"
    allowed = f"the {len(options)} of --help" if meant and len(options) > MOST else listed(options, got)
    return f"{group} must be one of {allowed}, but got {got!r}; {what_to_do}."


def _unknown_key(key: str, words: Sequence[str], known: Sequence[str]) -> str:
    if key == "size":
        word = next(word for word in words if word.startswith("size="))
        return f"A size belongs to the agents r2i and dreamerv3, but got {word!r} without one; leave it out."
    if key in known or any(one.startswith(f"{key}.") for one in known):
        return f"{key} has options, which must be ones that it lists: give them one by one, {key}.<option>=<value>."
    nearest = nearest_keys(key, known)
    if nearest:
        hint = f"did you mean {' or '.join(map(repr, nearest))}? "
    elif key.startswith("replay."):
        hint = f"{_of_group(f'agent.{key}', words, known)}; "
    elif "." in key and key.partition(".")[0] in GROUPS:
        hint = f"{_of_group(key, words, known)}; "
    else:
        hint = ""
    return f"An option must exist in the configuration, but {key!r} does not; {hint}--help all lists all options."


def _of_group(key: str, words: Sequence[str], known: Sequence[str]) -> str:
    """Which options of a group have a key; else which keys the chosen one has."""
    group, _, rest = key.partition(".")
    chosen = next((word.partition("=")[2] for word in reversed(words) if word.startswith(f"{group}=")), "")
    if group == "env" and takes_by_kwargs(chosen, rest):
        return f"{chosen} takes it as env.kwargs.{rest}"
    plus = f"an argument that its file does not list is added by +{key}=value"
    owners = [] if f"{group}=custom" in words else options_with(group, rest)
    if owners:
        return f"it belongs to {group}={', '.join(owners[:4])}{' …' if len(owners) > 4 else ''}; {plus}"
    siblings = [one[len(group) + 1 :] for one in known if one.startswith(f"{group}.")]
    siblings = [one for one in siblings if "." not in one and not one.startswith("_")]
    return f"{group} has {', '.join(siblings)}; {plus}" if 0 < len(siblings) <= _MOST_KEYS else plus
