"""What `--help` prints: every option of a command as composed, with its default and what it means."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.agents.stored.build import find_target
from engram.agents.stored.names import OWN_PACKAGE
from engram.command_line.config import Composed, compose_plain
from engram.command_line.groups import CONFIG_DIR, GROUPS, group_options
from engram.command_line.words import write_value
from engram.common.shell import command_line
from engram.common.spelt_out import documented_arguments
from engram.envs.table import TASKS
from engram.envs.wrappers import WRAPPING, wrapped
from engram.training.faults import usage_errors

_WIDTH = 110
_COLUMN = 40  # where comments begin
NODES = ("agent", "core", "env")  # groups that describe one object
# What Engram itself gives to a core, an environment or an agent.
_GIVEN = frozenset(
    "self input_size num_envs device env_index_offset observation_space action_space make_core".split()
    + "total_env_steps seed".split()
)


def help_text(name: str, words: Sequence[str] = ()) -> str:
    """Describe every option of a command.

    Args:
        name: of its YAML in `configs/`.
        words: `key=value`, put over the defaults, so that `core=s5` shows the options of S5.

    Raises:
        UsageError: if a word is wrong.
    """
    path = CONFIG_DIR / f"{name}.yaml"
    if "defaults:" not in path.read_text():
        return "\n".join([usage(name), "", f"configs/{name}.yaml:", "", path.read_text()])
    composed = compose_plain(name, words)
    lines = [usage(name), "", *choice_lines()]
    files = [CONFIG_DIR / f"{one}.yaml" for one in dict.fromkeys(["train", "sweep", name])]
    comments = {key: text for file in files for key, text in read_comments(file).items()}
    own = {key: value for key, value in composed.values.items() if key not in NODES}
    lines += ["Options, with the values of this command:", *option_lines(own, "", comments), ""]
    for group in NODES:
        with usage_errors():
            lines += group_lines(group, composed)
    return "\n".join(lines)


def short_help(name: str, words: Sequence[str] = ()) -> str:
    """Say what a command does, what can be chosen, and how to read more.

    Args:
        name: of its YAML in `configs/`.
        words: `key=value`; the options of what they choose are listed.

    Raises:
        UsageError: if a word is wrong.
    """
    path = CONFIG_DIR / f"{name}.yaml"
    if "defaults:" not in path.read_text():
        return help_text(name, words)
    about = [
        line[2:] for line in path.read_text().split("defaults:")[0].splitlines() if line.startswith("# ")
    ]
    chosen = {word.partition("=")[0] for word in words}
    composed = compose_plain(name, words)
    lines = [usage(name), "", *about, "", *choice_lines()]
    for own in {"sweep": ["sweep"], "tune": ["tune", "sweep"]}.get(name, []):
        comments = read_comments(CONFIG_DIR / f"{own}.yaml")
        lines += [*option_lines(composed.values[own], f"{own}.", comments), ""]
    for group in (one for one in NODES if one in chosen):
        with usage_errors():
            lines += group_lines(group, composed)
    example = command_line(name, [*words, "--help", "all"])
    return "\n".join([*lines, f"Every option, with its value and what it means: {example}"])


def usage(name: str) -> str:
    """How a command is given."""
    return f"usage: engram {name} [group=option] [key=value] …"


def choice_lines() -> list[str]:
    """List the options of every group, those that differ by an ending alone in one line."""
    lines = []
    for group in GROUPS:
        lines.append(f"{group}=")
        for line in _folded(group_options(group)):
            lines += textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
        lines.append("")
    return lines


def _folded(options: Sequence[str]) -> Iterator[str]:
    """Lines of options, `popgym/  autoencode …, each also with _easy …`; those without folder and ending come first."""
    stems: dict[str, list[str]] = {}
    for option in options:
        stem = next((one for one in stems if option.startswith(f"{one}_") and "/" in one), None)
        stems.setdefault(stem or option, [])
        if stem is not None:
            stems[stem].append(option[len(stem) :])
    by_endings: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for stem, endings in stems.items():
        folder, _, name = stem.rpartition("/")
        by_endings.setdefault((folder, tuple(endings)), []).append(name)
    for (folder, also), names in sorted(by_endings.items()):
        line = f"{folder}/  {' '.join(names)}" if folder else " ".join(names)
        yield f"{line}, {'each ' if len(names) > 1 else ''}also with {' '.join(also)}" if also else line


def group_lines(group: str, composed: Composed) -> list[str]:
    """List the options of the chosen agent, core or environment, a group of `NODES`."""
    choice = composed.choices[group]
    path = CONFIG_DIR / group / f"{choice}.yaml"
    comments = read_comments(path) if path.exists() else {}
    own = {key if key.startswith(f"{group}.") else f"{group}.{key}": text for key, text in comments.items()}
    lines = option_lines(composed.values[group], f"{group}.", own, composed.values["allow"])
    if group == "env" and choice in TASKS and (missing := {*WRAPPING} - {*composed.values["env"]}):
        documented = argument_docs(wrapped)
        lines += [
            _line(f"env.{option}", False if option == "observable" else None, documented[option])
            for option in WRAPPING
            if option in missing
        ]
    return [f"Options of {group}={choice}:", *lines, ""]


def option_lines(
    node: Mapping[str, Any], prefix: str, comments: Mapping[str, str], allow: Sequence[str] = ()
) -> list[str]:
    """List every option below a node, and every argument that a class takes beside them, each with what it means.

    Args:
        node: options by name; one with a `_target_` describes an object.
        prefix: what stands before their names.
        comments: what options mean, by their dotted keys; else what the docstring of the class says.
        allow: further packages whose classes may be described.
    """
    lines = []
    target = str(node.get("_target_", ""))
    factory = find_target(target, allow) if target.split(".")[0] in (OWN_PACKAGE, *allow) else None
    documented = argument_docs(factory)
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            lines += option_lines(value, f"{name}.", comments, allow)
        elif not key.startswith("_") or value == "???":
            lines.append(_line(name, value, comments.get(name) or documented.get(key, "")))
    for key, default in _unlisted(factory, node):
        lines.append(_line(f"+{prefix}{key}", default, documented.get(key, "")))
    return lines


def _line(name: str, value: Any, comment: str) -> str:
    shown = "<to be given>" if value == "???" else write_value(value)
    option = f"  {name}={shown}"
    return f"{option:<{_COLUMN}}  # {comment}" if comment else option


def _unlisted(factory: Any, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Arguments that a class takes and its file does not list, with their defaults."""
    if factory is None:
        return
    for key, parameter in inspect.signature(factory).parameters.items():
        is_option = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        plain = parameter.default is None or isinstance(parameter.default, bool | int | float | str)
        if is_option and plain and key not in node and key not in _GIVEN:
            yield key, parameter.default


def argument_docs(factory: Any) -> dict[str, str]:
    """Read the first sentence about each argument from the docstring of a class or function."""
    documented = documented_arguments(factory.__doc__ if factory is not None else None)
    return {name: _first_sentence(" ".join(words.split())) for name, words in documented.items()}


def _first_sentence(text: str) -> str:
    end = re.search(r"(?<!\be\.g)(?<!\bi\.e)\. |\.$", text)
    return text[: end.start()] if end else text


def read_comments(path: Path) -> dict[str, str]:
    """Read what a YAML says beside its options.

    Args:
        path: the file.

    Returns:
        Dotted key → comment on its line.
    """
    found: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    for line in path.read_text().splitlines():
        option = re.match(r"( *)([\w]+):(.*)", line)
        if option is None:
            continue
        indent, key, rest = len(option[1]), option[2], option[3]
        parents = [(depth, name) for depth, name in parents if depth < indent] + [(indent, key)]
        comment = re.search(r"(?:^|\s)# *(.*)$", rest)
        if comment:
            found[".".join(name for _, name in parents)] = comment[1]
    return found
