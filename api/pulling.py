"""Taking an agent that somebody shares, by words: what `engram pull` and `engram.pull` share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engram.agents.stored.build import check_buildable
from engram.agents.stored.loading import load
from engram.api.hub import download, hub_name
from engram.api.shared_files import FILES, check_new, made_whole
from engram.command_line.config import compose_config
from engram.command_line.options import PullOptions
from engram.command_line.paths import literal_path
from engram.common.checked import check_options, check_value
from engram.common.errors import UsageError
from engram.common.option_types import Word
from engram.common.shell import command_line
from engram.run_files.agent_card import AgentCard, read_card
from engram.run_files.outputs import check_writable
from engram.run_files.plain_files import check_plain
from engram.run_files.run_folder import read_config
from engram.training.building import own_description
from engram.training.faults import usage_errors

Tell = Callable[[str], None]
_DEFAULT_FOLDER = "pulled"
_SHOWN = 5  # names of files that are left out


def pull_agent(words: Sequence[str], tell: Tell = lambda line: None) -> Path:
    """Take an agent from a folder or the hub into a folder of one's own; nothing of it is executed.

    Args:
        words: `key=value`, as of `engram pull`.
        tell: is given what a person wants to know, line by line.

    Returns:
        The folder.

    Raises:
        UsageError: for what the user can mend, and for what is no agent that may be taken.
    """
    with usage_errors():
        values = compose_config("pull", words).values
        source = check_value(values.pop("from"), Word, "from")
        options = check_options(values, PullOptions)
        repository = hub_name("from", source)
        name = source.rstrip("/").rpartition("/")[2]
        folder = Path(options["to"] or f"{_DEFAULT_FOLDER}/{name}")
        check_new("to", folder)
        check_writable("to", folder)
        if repository is None and options["revision"] is not None:
            raise UsageError(
                "A folder has no revisions, but revision is given; leave it out, or name a hf:// place."
            )
    with made_whole(folder) as made:
        if repository is None:
            card = _take(Path(source), made, source, options, tell)
        else:
            with tempfile.TemporaryDirectory(dir=made.parent) as downloaded:
                download(repository, options["revision"], Path(downloaded), FILES)
                card = _take(Path(downloaded), made, source, options, lambda line: None)
    tell(f"{card.agent} with {card.core} on {card.task}: {card.score_text()}, licence {card.licence}")
    allow = [f"allow=[{','.join(options['allow'])}]"] if options["allow"] else []
    tell(f"pulled: {folder}")
    tell(f"evaluate it: {command_line('evaluate', [f'run={literal_path(str(folder))}', *allow])}")
    return folder


def _take(place: Path, made: Path, source: str, options: dict[str, Any], tell: Tell) -> AgentCard:
    """Copy an agent's files, and hold the copies against the rules of stored runs."""
    with usage_errors():
        if not place.is_dir():
            raise UsageError(
                f"An agent is pulled from a folder that is there, but {source!r} is none; see to from=."
            )
        check_plain(place)
        for name in FILES:
            if (place / name).is_file():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place / name, made / name, follow_symlinks=False)
        made.mkdir(exist_ok=True)
        _tell_left_out(place, tell)
        try:
            check_plain(made)
            card = read_card(made, options["trust_edited"])
            load(made, "latest", allow=options["allow"], trust_edited=options["trust_edited"])
            env = read_config(made)["env"]
            if not isinstance(env, dict):
                raise ValueError(f"An environment is a description, but that of {made} is {str(env)[:80]!r}.")
            check_buildable(own_description(env), options["allow"])
        except (ValueError, FileNotFoundError) as error:
            raise UsageError(str(error).replace(str(made), source)) from error
    return card


def _tell_left_out(place: Path, tell: Tell) -> None:
    names = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    others = [name for name in names if name not in FILES]
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        tell(f"left out, being no part of an agent: {', '.join(others[:_SHOWN])}{more}")
