"""A file of options, `config=my.yaml`: the same as its words on the command line, which rule over it.

It may be the user's own, a copy of an experiment, or the `config.yaml` of a stored run. What it says about trust does
not count: whoever gives the command names packages and servers there.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from engram.command_line.as_words import CHOSEN
from engram.command_line.file_words import file_words
from engram.command_line.paths import read_path
from engram.command_line.resuming import SERVER, allowed_packages
from engram.command_line.stored_options import is_stored, stored_words
from engram.command_line.words import parse_value
from engram.common.checked import OptionError
from engram.common.errors import UsageError
from engram.common.ids import foreign_package, malformed
from engram.run_files.bounded_text import read_bounded
from engram.run_files.stored_yaml import read_yaml

KEY = "config"


def with_file(words: Sequence[str], name: str) -> list[str]:
    """Put what a file of options says in the place of the word that names it.

    Args:
        words: `key=value` of a command; `config=<file>` among them, or not.
        name: of the command: `train`, `sweep` or `tune`. What is for another one is left out.

    Returns:
        The file's words, then the command's. Of an option that both give, the command's alone.

    Raises:
        UsageError: if the file cannot be read or is none, or decides what the command must.
    """
    path = _named_file(words)
    rest = [word for word in words if _key(word) != KEY]
    if path is None:
        return rest
    return [*_words_of(path, name, rest), *rest]


@contextmanager
def options_of_file(words: Sequence[str]) -> Iterator[None]:
    """Name the file in which an option stands that is refused within the block.

    Args:
        words: of the command.

    Raises:
        UsageError: in place of an error about an option of the file that `config=` names.
    """
    try:
        yield
    except (UsageError, OptionError) as error:
        key = _key_in(str(error), words)
        if key is None:
            raise
        raise UsageError(f"{str(error).rstrip('.')} ({key} is given in {_named_file(words)}).") from error


def _named_file(words: Sequence[str]) -> Path | None:
    found = [word.partition("=")[2] for word in words if _key(word) == KEY]
    if len(found) > 1:
        raise UsageError(
            f"A command takes one file of options, but got {len(found)}, {' and '.join(found)}; put them into one."
        )
    return read_path(found[0]) if found and found[0] not in ("", "null") else None


def _words_of(path: Path, name: str, rest: Sequence[str]) -> list[str]:
    """The words of a file that go before others of a command."""
    values = _read(path)
    words = stored_words(values, path) if is_stored(values) else file_words(values, path, name)
    words = _without_trust(words, path, rest)
    given = {_key(word) for word in rest}
    for group in CHOSEN:
        words = _without_replaced(words, path, group, rest)
    return [word for word in words if _key(word) not in given]


def _read(path: Path) -> dict[str, Any]:
    """The values of a file, numbers read as on the command line."""
    what = f"config must name a YAML file of options, but {str(path)!r}"
    try:
        is_mapping = isinstance(read_yaml(path), dict)
        values = OmegaConf.to_container(OmegaConf.create(read_bounded(path))) if is_mapping else None
    except OSError as error:
        raise UsageError(f"{what} cannot be read ({error.strerror}); give another.") from error
    except (ValueError, YAMLError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UsageError(f"{what} is none: {reason}; see docs/own_files.md.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{what} holds no options; write them as option: value, see docs/own_files.md.")
    return {str(key): value for key, value in values.items()}


def _without_trust(words: Sequence[str], path: Path, rest: Sequence[str]) -> list[str]:
    """Leave out what the command alone may say: whose code may run, and where metrics go.

    Raises:
        UsageError: if the command does not say it.
    """
    values = {_key(word): parse_value(word.partition("=")[2]) for word in words if _is_of_trust(word)}
    given = {_key(word) for word in rest}
    packages = [str(one) for one in values.get("allow") or ()]
    id = None if given & {"env", "env.id"} else values.get("env.id")
    if not malformed(id) and (package := foreign_package(str(id))) is not None:
        packages.append(package)
    if needed := [one for one in packages if one not in allowed_packages(rest)]:
        raise UsageError(
            f"Code beside Engram's own is allowed by the command alone, but {path} names {', '.join(needed)}; add "
            f"allow=[{','.join(needed)}] if you trust it."
        )
    if values.get(SERVER) is not None and not given & {SERVER, "logging.to"}:
        raise UsageError(
            f"Metrics go to a place that the command names, but only {path} names {values[SERVER]}; add "
            f"{SERVER}={values[SERVER]}, or logging.to=[] to leave MLflow out."
        )
    if values.get("trust_edited"):
        raise UsageError(
            f"Edited files are trusted by the command alone, but {path} says so; leave it out there."
        )
    return [word for word in words if _key(word) not in ("allow", "trust_edited", SERVER)]


def _is_of_trust(word: str) -> bool:
    return _key(word) in ("allow", "trust_edited", SERVER, "env.id")


def _without_replaced(words: Sequence[str], path: Path, group: str, rest: Sequence[str]) -> list[str]:
    """Leave out what the file chooses for a group, and options of it, where the command chooses another."""
    chosen = {
        source: value
        for source, value in (("file", _choice(words, group)), ("command", _choice(rest, group)))
    }
    if None in chosen.values() or chosen["file"] == chosen["command"]:
        return list(words)
    options = [_key(word) for word in words if _key(word).startswith(f"{group}.")]
    if options:
        named = f"{', '.join(options[:3])}{' …' if len(options) > 3 else ''}"
        warnings.warn(
            f"{group}={chosen['command']} takes the place of {group}={chosen['file']} in {path}, whose options go with "
            f"it: {named}.",
            stacklevel=2,
        )
    return [word for word in words if _key(word) != group and not _key(word).startswith(f"{group}.")]


def _choice(words: Sequence[str], group: str) -> str | None:
    return next((word.partition("=")[2] for word in words if _key(word) == group), None)


def _key_in(text: str, words: Sequence[str]) -> str | None:
    """The option that a sentence is about, if the file gives it and the command does not."""
    try:
        path = _named_file(words)
        own = set() if path is None else _dotted_keys(_read(path))
    except UsageError:
        return None
    own -= {_key(word) for word in words}
    found = [key for key in own if re.search(rf"(?<![\w.]){re.escape(key)}(?![\w.]*\w)", text)]
    return max(found, key=len, default=None)


def _dotted_keys(node: Mapping[str, Any], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for key, value in node.items():
        name = f"{prefix}{str(key).lstrip('+')}"
        keys |= {name} | (_dotted_keys(value, f"{name}.") if isinstance(value, Mapping) else set())
    return keys


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
