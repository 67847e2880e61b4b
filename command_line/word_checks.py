"""Words of a command that Hydra would misread or describe badly, each refused in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engram.command_line.axes import axis_values
from engram.command_line.groups import GROUPS, group_options
from engram.command_line.paths import PATH_OPTIONS
from engram.command_line.suggestions import listed
from engram.common.errors import UsageError
from engram.common.printable import printable
from engram.common.shell import command_line


def check_words(words: Sequence[str], name: str) -> None:
    """Refuse what is no `key=value`, or has several values where there can be one.

    Args:
        words: of the command.
        name: of the command's YAML.

    Raises:
        UsageError: for the first such word.
    """
    for index, word in enumerate(words):
        _check_form(word, words[index + 1 :])
        key, _, value = word.partition("=")
        if key in ("agent", "core", "env") and name != "evaluate" and value in ("", "null"):
            raise UsageError(
                f"{key} must be one of {listed(group_options(key), value)}, but got {value!r}; "
                f"engram {name} --help all lists all."
            )
        _check_one_value(word, words, name)


def _check_form(word: str, following: Sequence[str]) -> None:
    """Refuse a word that is no `key=value`, and say how it may have been meant."""
    if any("\ud800" <= letter <= "\udfff" for letter in word):
        raise UsageError(
            f"An option is written in UTF-8, but got {printable(word)}; where that is the name of a folder, go into it "
            "and name places from there, or rename it."
        )
    key, equals, value = word.partition("=")
    if word.startswith("-"):
        bare = key.lstrip("-").replace("-", "_")
        meant = f"{bare}={value if equals else _bare_value(following) or '<value>'}"
        raise UsageError(f"An option is written without dashes, key=value, but got {word!r}; write {meant}.")
    if not word.startswith("~") and not (equals and key.strip("+")):
        raise UsageError(f"An option is written key=value, but got {word!r}; {_meant(word, following)}.")


def _meant(word: str, following: Sequence[str]) -> str:
    if following and following[0].startswith("="):
        value = following[0].lstrip("=") or _bare_value(following[1:]) or "<value>"
        return f"write {word}={value}, without spaces"
    if word == "help":
        return "write --help"
    key, colon, value = word.partition(":")
    if colon and key in GROUPS:
        return f"write {key}={value.strip()}"
    if word in GROUPS and _bare_value(following):
        return f"write {word}={following[0]}"
    groups = [group for group in GROUPS if word in group_options(group)]
    return f"write {groups[0]}={word}" if groups else "--help all lists all options"


def _bare_value(following: Sequence[str]) -> str:
    """The next word if it is neither an option nor a flag."""
    return "" if not following or "=" in following[0] or following[0].startswith("-") else following[0]


def _check_one_value(word: str, words: Sequence[str], name: str) -> None:
    """Refuse an axis of a grid where one run is to be trained."""
    key, _, value = word.partition("=")
    if re.fullmatch(r"\d{1,3}(,\d{3})+", value):
        raise UsageError(
            f"A number is written without commas, but got {word}; write {key}={value.replace(',', '_')}."
        )
    if name in ("sweep", "tune", "exam") or key.lstrip("+~") in PATH_OPTIONS:
        return
    values = axis_values(key, value)
    if values is None:
        return
    if name != "train":
        raise UsageError(
            f"An option has one value, but got {word}; leave one, or put a list in brackets, "
            f"{key}=[{','.join(values)}]."
        )
    if key == "experiment":
        raise UsageError(f"An experiment is one of its own, but got {word}; give them one after the other.")
    raise UsageError(
        f"Training takes one value of every option, but got {word}; to train all of them: "
        f"{command_line('sweep', words)}."
    )
