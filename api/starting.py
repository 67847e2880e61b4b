"""Starting a training run from its words: a new one in a folder of its own, or one that is continued."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from engram.analysis.choices import chosen_option
from engram.command_line.config import Composed, compose_config
from engram.command_line.option_file import options_of_file, with_file
from engram.command_line.options import TrainOptions
from engram.command_line.paths import expand
from engram.command_line.resuming import (
    UNFINISHED,
    allow_words,
    check_server,
    is_resumable,
    is_trusted,
    resumed_config,
    resumed_run,
    store_changes,
)
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.ranks import ALONE, Ranks
from engram.common.say import say
from engram.envs.given import GivenEnv
from engram.run_files.find_run import unfinished_run
from engram.run_files.manifest import adopt_texts, check_texts, replace_texts, write_texts
from engram.run_files.names import CONFIG_FILE
from engram.run_files.plain_files import check_plain
from engram.run_files.run_command import RunCommand, asked_for
from engram.run_files.run_lock import folder_lock
from engram.run_files.unbegun import clear_replay, is_unbegun
from engram.training.new_run import describe_agent, describe_run, make_given_dir, make_run_dir
from engram.training.restoring import stored_options
from engram.training.session import Session
from engram.training.threads import torch_threads
from engram.training.trackers.choosing import check_installed


@dataclass(frozen=True)
class Started:
    """A run that is about to train.

    Attributes:
        session: its agent, environments and progress.
        run_dir: its folder.
        resume_step: how far a continued run has logged; None for a new one.
    """

    session: Session
    run_dir: Path
    resume_step: int | None = None


def start_run(
    words: Sequence[str], held: ExitStack, given: GivenEnv | None = None, ranks: Ranks = ALONE
) -> Started:
    """Start a run, or continue the one that `resume=` names.

    Args:
        words: `key=value`, as of `engram train`.
        held: releases the folder, the environments and torch's threads when it is closed.
        given: makes the environments, where they were given as an object or a function.
        ranks: the processes that train it; all of them start it, and the leader makes and writes its folder.

    Raises:
        UsageError: for an option that cannot work, as a ValueError or OSError of its own in places.
    """
    with options_of_file(words):
        run_dir, words = ranks.share(_run_to_continue(words) if ranks.is_leader else (None, words))
        if run_dir is None:
            return _begin(words, held, given, ranks)
    return _continue(run_dir, words, held, given, ranks)


def _run_to_continue(words: Sequence[str]) -> tuple[Path | None, Sequence[str]]:
    """The run that `resume=` asks for, if there is one, and the words that are then for it."""
    asked = resumed_run(words)
    if asked is not None and asked != UNFINISHED:
        return Path(expand(asked)), words
    words = with_file(words, "train")
    if asked is None:
        return None, words
    run_dir = unfinished_run(_composed(words).values)
    if run_dir is None:
        return None, words
    kept = [word for word in words if is_resumable(word) and not word.lstrip("+").startswith("allow=")]
    return run_dir, [*kept, *allow_words(words)]


def _composed(words: Sequence[str]) -> Composed:
    """The configuration of a new run: what a file of options said is in it, and an experiment's grid is for others."""
    composed = compose_config("train", words)
    for name in ("config", "sweep", "tune"):
        composed.values.pop(name, None)
    return composed


def _begin(words: Sequence[str], held: ExitStack, given: GivenEnv | None, ranks: Ranks) -> Started:
    """Build a new run; its folder is made last, when everything else is known to work."""
    composed = _composed(words)
    for note in composed.notes:
        say(f"note: {note}", file=sys.stderr)
    config = check_options(composed.values, TrainOptions)
    config.pop("trust_edited")  # nothing of a new run was edited
    if config.pop("resume_from") == "weights":
        raise UsageError(
            "Only a run that is continued has weights to go on from: expected resume=<its folder> beside "
            "resume_from=weights, but got none; give it, or leave resume_from out."
        )
    if (seeds := config.pop("seeds")) is not None:
        raise UsageError(
            f"One call trains one run, but got seeds={seeds}; give one seed=, or train several by engram train … "
            f"seeds={seeds} in a shell."
        )
    check_installed(config["logging"])
    held.enter_context(torch_threads(config["threads"]))
    session = Session.build(config, given, ranks)
    held.callback(session.close)
    session.start()
    if not ranks.is_leader:
        run_dir = ranks.share(Path())
        session.open_files(run_dir, is_new=True)
        return Started(session, run_dir)
    command = asked_for(words, composed.choices)
    run_dir = _make_folder(session, command)
    held.enter_context(folder_lock(run_dir))
    try:
        ranks.share(run_dir)
        session.open_files(run_dir, is_new=True)
        write_texts(run_dir, describe_run(config, session.agent, command))
    except OSError:
        # A run that cannot begin leaves nothing behind, unless the disk does not let it.
        shutil.rmtree(run_dir, ignore_errors=True)
        raise
    return Started(session, run_dir)


def _make_folder(session: Session, command: RunCommand) -> Path:
    """Make the new run's folder: the one that is given, or one named after what is run."""
    config = session.config
    if given := config["logging"]["run_dir"]:
        return make_given_dir(Path(given))
    runs_dir, name = Path(config["logging"]["runs_dir"]), session.driver.env.name
    agent, core = (chosen_option(group, config[group], command, "") for group in ("agent", "core"))
    return make_run_dir(runs_dir, name, agent, core, config["seed"])


def _continue(
    run_dir: Path, words: Sequence[str], held: ExitStack, given: GivenEnv | None, ranks: Ranks
) -> Started:
    """Build the run of `run_dir` as it stood at its last checkpoint; without one it begins anew, in place."""
    check_plain(run_dir)
    edited = check_texts(run_dir, is_trusted(words)) if (run_dir / CONFIG_FILE).is_file() else []
    with stored_options(run_dir):
        check_options(resumed_config(run_dir, []), TrainOptions)
    config = check_options(resumed_config(run_dir, words), TrainOptions)
    trust_edited, loses_replay = config.pop("trust_edited"), config.pop("resume_from") == "weights"
    config.pop("seeds")
    check_installed(config["logging"])
    check_server(config, words)
    if ranks.is_leader:
        held.enter_context(folder_lock(run_dir))
    held.enter_context(torch_threads(config["threads"]))
    with stored_options(run_dir):
        session = Session.build(config, given, ranks)
    held.callback(session.close)
    if ranks.share(is_unbegun(run_dir)):  # and all have read the folder
        say(f"note: {run_dir} holds no checkpoint yet; its run begins anew there", file=sys.stderr)
        session.start()
        if ranks.is_leader:
            clear_replay(run_dir)
            adopt_texts(run_dir, edited)
            replace_texts(run_dir, describe_agent(session.agent))
        session.open_files(run_dir, is_new=True)
        if ranks.is_leader:
            store_changes(run_dir, config)
        return Started(session, run_dir)
    session.resume(run_dir, trust_edited, loses_replay)
    if ranks.is_leader:
        adopt_texts(run_dir, edited)
        store_changes(run_dir, config)
    return Started(session, run_dir, session.progress.logged_until(session.driver.env_steps))
