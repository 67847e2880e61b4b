"""Train an agent: `engram train agent=ppo core=s5 env=popgym/repeat_previous_easy`."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path

import torch

from engram.analysis.choices import chosen_option
from engram.command_line.config import Composed, compose_config
from engram.command_line.flags import answer
from engram.command_line.options import TrainOptions
from engram.command_line.paths import expand
from engram.command_line.resuming import (
    UNFINISHED,
    allow_words,
    is_resumable,
    is_trusted,
    resume_command,
    resumed_config,
    resumed_run,
    schedule_note,
    store_changes,
)
from engram.common.checked import check_options
from engram.common.say import say
from engram.run_files.find_run import unfinished_run
from engram.run_files.logger import Logger
from engram.run_files.manifest import adopt_texts, check_texts, mark_metrics, replace_texts, write_texts
from engram.run_files.names import CONFIG_FILE
from engram.run_files.plain_files import check_plain
from engram.run_files.run_command import asked_for, read_command
from engram.run_files.run_lock import folder_lock
from engram.run_files.unbegun import clear_replay, is_unbegun
from engram.scripts.faults.errors import run
from engram.training.faults import faults_of_environments, faults_of_the_machine, usage_errors
from engram.training.headline import headline
from engram.training.new_run import describe_agent, describe_run, make_given_dir, make_run_dir
from engram.training.profiling import profiled
from engram.training.progress import ProgressLine
from engram.training.restoring import stored_options
from engram.training.schedule import Hooks
from engram.training.session import Session
from engram.training.stop_request import SaveTimer, StopRequest


def main(words: Sequence[str]) -> None:
    """Start a run, or continue one with `resume=<run dir>`."""
    if (text := answer("train", words)) is not None:
        say(*text.split("\n"))
        return
    with ExitStack() as held:
        with usage_errors():
            run_dir, words = _run_to_continue(words)
            if run_dir is not None:
                session, resume_step = _continue(run_dir, words, held)
            else:
                (session, run_dir), resume_step = _begin(words, held), None
            held.callback(session.close)
            _introduce(session, run_dir)
            command = resume_command(run_dir, words)
            with faults_of_the_machine(run_dir, command):
                logger = _open_log(session, run_dir, resume_step, is_trusted(words))
        with faults_of_the_machine(run_dir, command), faults_of_environments(command):
            _train(session, run_dir, logger, resume_step, command)


def _run_to_continue(words: Sequence[str]) -> tuple[Path | None, Sequence[str]]:
    """The run that `resume=` asks for, if there is one, and the words that are then for it."""
    asked = resumed_run(words)
    if asked != UNFINISHED:
        return (None if asked is None else Path(expand(asked))), words
    run_dir = unfinished_run(compose_config("train", words).values)
    if run_dir is None:
        return None, words
    kept = [word for word in words if is_resumable(word) and not word.lstrip("+").startswith("allow=")]
    return run_dir, [*kept, *allow_words(words)]


def _begin(words: Sequence[str], held: ExitStack) -> tuple[Session, Path]:
    """Build a new run; its folder is made last, when everything else is known to work."""
    composed = compose_config("train", words)
    for note in composed.notes:
        say(f"note: {note}", file=sys.stderr)
    config = composed.values
    config.pop("sweep", None)  # an experiment's grid is for engram sweep
    config = check_options(config, TrainOptions)
    config.pop("trust_edited")  # nothing of a new run was edited
    torch.set_num_threads(config["threads"])
    session = Session.build(config)
    session.start()
    run_dir = _make_folder(composed, session)
    held.enter_context(folder_lock(run_dir))
    try:
        session.open_files(run_dir, is_new=True)
        command = asked_for(words, composed.choices)
        write_texts(run_dir, describe_run(config, session.agent, command))
    except OSError:
        # A run that cannot begin leaves nothing behind, unless the disk does not let it.
        shutil.rmtree(run_dir, ignore_errors=True)
        raise
    return session, run_dir


def _make_folder(composed: Composed, session: Session) -> Path:
    """Make the new run's folder: the one that is given, or one named after what is run."""
    config, choices = session.config, composed.choices
    if given := config["logging"]["run_dir"]:
        return make_given_dir(Path(given))
    runs_dir, name = Path(config["logging"]["runs_dir"]), session.driver.env.name
    return make_run_dir(runs_dir, name, choices["agent"], choices["core"], config["seed"])


def _continue(run_dir: Path, words: Sequence[str], held: ExitStack) -> tuple[Session, int | None]:
    """Build the run of `run_dir` as it stood at its last checkpoint; without one it begins anew, in place."""
    check_plain(run_dir)
    edited = check_texts(run_dir, is_trusted(words)) if (run_dir / CONFIG_FILE).is_file() else []
    with stored_options(run_dir):
        check_options(resumed_config(run_dir, []), TrainOptions)
    config = check_options(resumed_config(run_dir, words), TrainOptions)
    trust_edited = config.pop("trust_edited")
    held.enter_context(folder_lock(run_dir))
    torch.set_num_threads(config["threads"])
    with stored_options(run_dir):
        session = Session.build(config)
    if is_unbegun(run_dir):
        say(f"note: {run_dir} holds no checkpoint yet; its run begins anew there", file=sys.stderr)
        session.start()
        clear_replay(run_dir)
        adopt_texts(run_dir, edited)
        replace_texts(run_dir, describe_agent(session.agent))
        session.open_files(run_dir, is_new=True)
        store_changes(run_dir, config)
        return session, None
    session.resume(run_dir, trust_edited)
    adopt_texts(run_dir, edited)
    store_changes(run_dir, config)
    return session, session.progress.logged_until(session.driver.env_steps)


def _open_log(session: Session, run_dir: Path, resume_step: int | None, trust_edited: bool) -> Logger:
    """Open the log, cut where the run is continued."""
    tensorboard = session.config["logging"]["tensorboard"]
    return Logger(run_dir, resume_step, tensorboard, session.counted, trust_edited)


def _introduce(session: Session, run_dir: Path) -> None:
    """Say what is trained on what."""
    asked, config = read_command(run_dir), session.config
    agent, core = (chosen_option(group, config[group], asked, run_dir) for group in ("agent", "core"))
    say(*headline(session, agent, core).split("\n"), file=sys.stderr)


def _train(session: Session, run_dir: Path, logger: Logger, resume_step: int | None, command: str) -> None:
    """Run the loop, then draw the curve.

    Args:
        session: the run.
        run_dir: its folder.
        logger: its log, closed here.
        resume_step: how far a continued run has logged; None for a new one.
        command: continues the run.

    Raises:
        StoppedError: if a signal asked the run to stop; its checkpoint is on disk.
    """
    config, options = session.config, session.config["logging"]
    progress = ProgressLine(
        config["total_env_steps"],
        session.driver.env_steps,
        enabled=options["progress"],
        prefill=session.agent.prefill,
    )
    say(f"{'training' if resume_step is None else 'continuing'} in {run_dir}", file=sys.stderr)
    if note := schedule_note(config, session.driver.env_steps):
        say(note, file=sys.stderr)
    timer = SaveTimer(config["checkpoint"]["interval_minutes"])
    stop = StopRequest("stopping: this iteration is finished and saved first; a second signal ends at once")
    with stop, logger:

        def save(name: str, env_steps: int) -> None:
            logger.flush()
            session.save(run_dir, name, logger.mark)
            if name == "latest":
                mark_metrics(run_dir, logger.mark, logger.is_edited)
                timer.restart()

        hooks = Hooks(
            log=logger.log,
            evaluate=functools.partial(session.evaluate, should_stop=stop.is_asked),
            save=save,
            report=progress.update,
            log_media=logger.log_media,
            should_stop=stop.is_asked,
            is_checkpoint_due=timer.is_due,
        )
        try:
            if resume_step is None or logger.is_edited:  # no other checkpoint counts on the log as it is
                save("latest", session.driver.env_steps)
            with profiled(session, run_dir) if config["profile"] else nullcontext():
                is_finished = session.train(hooks)
        finally:
            progress.close()
    if not is_finished:
        steps = session.driver.env_steps
        say(f"stopped; it goes on from step {steps:,} with: {command}", file=sys.stderr)
        raise stop.error()
    _conclude(session, run_dir)


def _conclude(session: Session, run_dir: Path) -> None:
    """Say how it ended, and draw the picture."""
    progress, steps = session.progress, session.driver.env_steps
    outcome = "" if progress.last_return is None else f", last evaluation {progress.last_return:.3f}"
    say(f"done after {steps:,} environment steps{outcome}: {run_dir}", file=sys.stderr)
    if session.config["logging"]["curve"]:
        from engram.analysis.run_figures import draw_learning_curve  # Matplotlib takes a second to import.

        title = f"{session.driver.env.name}  ·  {run_dir.parent.name}  ·  seed {session.config['seed']}"
        say(f"learning curve: {draw_learning_curve(run_dir, title)}", file=sys.stderr)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
