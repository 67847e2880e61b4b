"""What a command answers instead of running: `--help`, `--help all`, and Hydra's `--cfg job`."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from engram.command_line.config import compose_plain
from engram.command_line.help import help_text, short_help
from engram.command_line.option_file import with_file
from engram.common.errors import UsageError
from engram.common.shell import command_line

HELP = ("-h", "--help")
_CFG = ("-c", "--cfg")
_MULTIRUN = ("-m", "--multirun")


def answer(name: str, words: Sequence[str]) -> str | None:
    """What is to be printed in place of running a command.

    Args:
        name: of the command's YAML in `configs/`.
        words: of the command.

    Returns:
        The text; None if the command is to run.

    Raises:
        UsageError: for `--multirun`, and for anything but `job` after `--cfg`.
    """
    given = [word for word in words if not word.startswith("-")]
    if any(word in _MULTIRUN for word in words):
        raise UsageError(
            f"Several runs are trained by a command of their own: {command_line('sweep', given)}."
        )
    if any(word in HELP for word in words):
        options = _with_file(name, [word for word in given if word != "all"])
        return help_text(name, options) if "all" in given else short_help(name, options)
    shown = [word for word in words if word.partition("=")[0] in _CFG]
    if not shown:
        return None
    kind = shown[0].partition("=")[2] or next((word for word in given if "=" not in word), "")
    if kind != "job":
        raise UsageError(f"--cfg shows the configuration of a job, but got {kind!r}; write --cfg job.")
    composed = compose_plain(name, _with_file(name, [word for word in given if word != "job"]))
    return yaml.safe_dump(composed.values, sort_keys=False, allow_unicode=True)


def _with_file(name: str, words: Sequence[str]) -> Sequence[str]:
    """The words of a command, with those of its file of options where it takes one."""
    return with_file(words, name) if name in ("train", "sweep", "tune") else words
