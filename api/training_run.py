"""One training run from its words to its end: what `engram train` and `engram.train` share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from engram.analysis.choices import chosen_option
from engram.api.following import follow
from engram.api.starting import Started, start_run
from engram.command_line.resuming import is_trusted, schedule_note
from engram.common.ranks import ALONE, Ranks
from engram.common.rows import Rollout
from engram.common.say import say
from engram.envs.given import GivenEnv
from engram.run_files.logger import Logger
from engram.run_files.manifest import mark_metrics
from engram.run_files.run_command import read_command
from engram.run_files.run_folder import checkpoint_path
from engram.training.callback_list import CallbackList, check_callbacks
from engram.training.callbacks import Callback, LogWriter, Trainer
from engram.training.faults import faults_of_environments, faults_of_the_machine, usage_errors
from engram.training.headline import headline
from engram.training.profiling import profiled
from engram.training.progress import ProgressLine
from engram.training.schedule import Hooks
from engram.training.session import Session
from engram.training.sharing import faults_of_ranks
from engram.training.stop_request import SaveTimer, StopRequest
from engram.training.trackers.choosing import make_trackers
from engram.training.trackers.writer import TrackerWriter


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_dir: its folder.
        is_finished: whether it has come to its end; otherwise a signal or a callback has stopped it.
    """

    run_dir: Path
    is_finished: bool


def train_run(
    words: Sequence[str],
    stop: StopRequest,
    how_to_go_on: Callable[[Path], str],
    callbacks: Sequence[Callback] = (),
    given: GivenEnv | None = None,
    ranks: Ranks = ALONE,
) -> Outcome:
    """Start a run, or continue one, and train it.

    Args:
        words: `key=value`, as of `engram train`.
        stop: ends the run in good order.
        how_to_go_on: what continues the run of a folder, for messages.
        callbacks: told of every moment of the run, after its log and its progress line.
        given: makes the environments, where they were given as an object or a function.
        ranks: the processes that train it, each of which calls this; the leader tells, logs, evaluates and saves.

    Raises:
        UsageError: for what the user can mend; a fault of code, ours or the user's, stays as it is.
    """
    check_callbacks(callbacks)
    with ExitStack() as held:
        with usage_errors():
            started = start_run(words, held, given, ranks)
            run_dir, hint = started.run_dir, how_to_go_on(started.run_dir)
            logger = None
            if ranks.is_leader:
                _introduce(started.session, run_dir)
                with faults_of_the_machine(run_dir, hint):
                    logger = _open_log(started, is_trusted(words))
        with (
            faults_of_ranks(ranks, run_dir, hint),
            faults_of_the_machine(run_dir, hint),
            faults_of_environments(hint),
        ):
            if logger is None:
                is_finished = follow(started, stop)
            else:
                is_finished = _train(started, logger, callbacks, stop)
                _say_how_it_ended(started.session, run_dir, is_finished, hint)
                if not stop.is_asked() and started.session.config["logging"]["curve"]:
                    _draw_curve(started.session, run_dir)
    return Outcome(run_dir, is_finished)


def _open_log(started: Started, trust_edited: bool) -> Logger:
    """Open the log, cut where the run is continued."""
    session = started.session
    tensorboard = "tensorboard" in session.config["logging"]["to"]
    return Logger(started.run_dir, started.resume_step, tensorboard, session.counted, trust_edited)


def _introduce(session: Session, run_dir: Path) -> None:
    """Say what is trained on what."""
    say(*headline(session, *_chosen(session, run_dir)).split("\n"), file=sys.stderr)


def _chosen(session: Session, run_dir: Path) -> tuple[str, str]:
    """The names of the agent and the core."""
    asked, config = read_command(run_dir), session.config
    agent, core = (chosen_option(group, config[group], asked, run_dir) for group in ("agent", "core"))
    return agent, core


def _train(started: Started, logger: Logger, callbacks: Sequence[Callback], stop: StopRequest) -> bool:
    """Run the loop; returns whether it has come to its end, and not been asked to stop.

    Args:
        started: the run.
        logger: its log, closed here.
        callbacks: the user's own.
        stop: whether it is asked to stop.
    """
    session, run_dir, is_new = started.session, started.run_dir, started.resume_step is None
    say(f"{'training' if is_new else 'continuing'} in {run_dir}", file=sys.stderr)
    if note := schedule_note(session.config, session.driver.env_steps):
        say(note, file=sys.stderr)
    timer, ranks = SaveTimer(session.config["checkpoint"]["interval_minutes"]), session.ranks

    def save(name: str) -> None:
        logger.flush()
        session.save(run_dir, name, logger.mark, told.state_dict())
        if name == "latest":
            mark_metrics(run_dir, logger.mark, logger.is_edited)
            timer.restart()
        told.teller(Callback.on_checkpoint)(name, checkpoint_path(run_dir, name))

    def on_rollout(rollout: Rollout) -> None:
        session.note_episodes(rollout)
        told.teller(Callback.on_rollout)(rollout)

    trainer = Trainer(session, run_dir, save)
    trackers = [TrackerWriter(tracker) for tracker in make_trackers(session.config["logging"])]
    told = CallbackList([LogWriter(logger), *trackers, _progress_line(session), *callbacks], trainer)
    hooks = Hooks(
        log=told.teller(Callback.on_log),
        evaluate=functools.partial(session.evaluate, should_stop=stop.is_asked),
        save=save,
        log_media=told.teller(Callback.on_media),
        should_stop=lambda: ranks.any(stop.is_asked() or trainer.is_stopped),
        is_checkpoint_due=lambda: ranks.any(timer.is_due()),
        before_rollout=session.follow_curriculum,
        on_rollout=on_rollout,
        on_update=told.teller(Callback.on_update),
        on_evaluation=told.teller(Callback.on_evaluation),
    )
    with stop, logger, told.told_of_start_and_end(session.callbacks):
        if ranks.share(is_new or logger.is_edited):  # no other checkpoint counts on the log as it is
            save("latest")
        with profiled(session, run_dir) if session.config["profile"] else nullcontext():
            return session.train(hooks)


def _progress_line(session: Session) -> ProgressLine:
    """What a person sees while the run goes on."""
    return ProgressLine(
        session.config["total_env_steps"],
        session.driver.env_steps,
        enabled=session.config["logging"]["progress"],
        prefill=session.agent.prefill,
    )


def _say_how_it_ended(session: Session, run_dir: Path, is_finished: bool, hint: str) -> None:
    steps, last = session.driver.env_steps, session.progress.last_return
    if is_finished:
        outcome = "" if last is None else f", last evaluation {last:.3f}"
        say(f"done after {steps:,} environment steps{outcome}: {run_dir}", file=sys.stderr)
    else:
        say(f"stopped; it goes on from step {steps:,} with: {hint}", file=sys.stderr)


def _draw_curve(session: Session, run_dir: Path) -> None:
    from engram.analysis.run_figures import draw_learning_curve  # Matplotlib takes a second to import.

    made_of = "-".join(_chosen(session, run_dir))
    env = session.driver.env
    title = f"{env.name}  ·  {made_of}  ·  seed {session.config['seed']}"
    say(f"learning curve: {draw_learning_curve(run_dir, title, env.chance_return)}", file=sys.stderr)
