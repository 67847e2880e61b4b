"""Running one exam: a world model learns, is scored, and the result is stored; what is stopped goes on exactly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engram.agents.world_model import Dreamer
from engram.api.examining import Exam
from engram.common.errors import UsageError
from engram.common.streams import stream_key
from engram.instruments.exam.episodes import Episodes, play_script
from engram.instruments.exam.learning import Progress, learn
from engram.run_files.checkpoint import DamagedCheckpointError, load_checkpoint, save_checkpoint
from engram.run_files.json_text import json_text
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import check_seal, digest, sealed
from engram.training.stop_request import SaveTimer
from engram.training.threads import torch_threads

RESULT_FILE, STATE_FILE = "exam.json", "learning.safetensors"
_SAVE_MINUTES = 5
# Of the episodes that are examined with: the same for every core and seed.
_HELD_OUT_SEED = stream_key("held-out episodes of an exam")


class PlayedEpisodes:
    """Episodes to learn from and to be examined with; those of the exam before are kept, for the next core's."""

    def __init__(self) -> None:
        self._of = ""
        self._played: tuple[Episodes, Episodes] | None = None

    def played(self, exam: Exam) -> tuple[Episodes, Episodes]:
        """Play what an exam's model learns from and is examined with, the same for every agent and core."""
        config = exam.config
        of = json.dumps(
            [config[key] for key in ("env", "seed", "episodes", "held_out", "num_envs", "device")]
        )
        if self._played is None or of != self._of:
            learnt_from = _play(exam, "episodes", config["seed"], is_held_out=False)
            self._of, self._played = (
                of,
                (learnt_from, _play(exam, "held_out", _HELD_OUT_SEED, is_held_out=True)),
            )
        return self._played


def _play(exam: Exam, option: str, seed: int, is_held_out: bool) -> Episodes:
    env = exam.env(exam.config["num_envs"], is_held_out)
    try:
        task_exam = exam.kind(env)
        actions = task_exam.actions(exam.config[option], stream_key(seed, "actions of an exam"))
        return play_script(
            env, actions.to(env.device), stream_key(seed, "episodes of an exam"), task_exam.facts
        )
    finally:
        env.close()


def stored_result(exam: Exam, folder: Path) -> dict[str, Any] | None:
    """Read what an exam's folder holds; None if it has not been run to its end.

    Raises:
        UsageError: if it is the result of other options.
        EditedFileError: if it is not what was written.
    """
    path = folder / RESULT_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
        asked = found["asked"]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"A result of an exam is JSON as engram exam wrote it, but {path} is damaged; move it away, and the same "
            "command runs the exam again."
        ) from error
    result = check_seal(found, path, exam.config["trust_edited"])
    expected = json.loads(json_text(exam.asked))
    for key in (*asked, *expected):
        before, now = (options.get(key, "nothing") for options in (asked, expected))
        if before != now:
            raise UsageError(
                f"An exam's result stays as it is, and {path} is that of {key}={before}, but got {key}={now}; leave it "
                "as it was, or give another output=<folder>."
            )
    return result


def run_exam(
    exam: Exam, folder: Path, played: PlayedEpisodes, should_stop: Callable[[], bool]
) -> dict[str, Any] | None:
    """Run an exam, or go on with one that was stopped.

    Args:
        exam: what is asked.
        folder: of its result, made.
        played: gives the episodes.
        should_stop: asked after every update.

    Returns:
        What is stored as JSON; None if it was stopped, and goes on from there.

    Raises:
        FloatingPointError: if a loss is NaN or infinite.
    """
    with torch_threads(exam.config["threads"]):
        agent, task_exam = exam.build()
        learnt_from, held_out = played.played(exam)
        progress, seconds = _go_on(exam, agent, folder / STATE_FILE)
        begun, timer = time.monotonic() - seconds, SaveTimer(_SAVE_MINUTES)

        def save() -> None:
            spent = time.monotonic() - begun
            state = {"of": digest(exam.asked), "agent": agent.state_dict(), "progress": progress.state()}
            save_checkpoint(folder / STATE_FILE, {**state, "seconds": spent})
            timer.restart()

        is_whole = learn(
            agent,
            learnt_from,
            exam.config["updates"],
            progress,
            should_stop,
            lambda: save() if timer.is_due() else None,
        )
        if not is_whole:
            save()
            return None
        found = task_exam.evaluate(agent, held_out)
        result = {
            "task": exam.choices["env"],
            "agent": exam.choices["agent"],
            "core": exam.choices["core"],
            "seed": exam.config["seed"],
            "policy": task_exam.policy,
            "scores": {name: score._asdict() for name, score in found.scores.items()},
            "curve": found.curve,
            "losses": progress.log,
            "sizes": agent.sizes(),
            "seconds": time.monotonic() - begun,
            "asked": exam.asked,
        }
        replace_file(folder / RESULT_FILE, json_text(sealed(result), indent=1) + "\n")
        (folder / STATE_FILE).unlink(missing_ok=True)
        return dict(json.loads(json_text(result)))


def _go_on(exam: Exam, agent: Dreamer, path: Path) -> tuple[Progress, float]:
    """Put a stopped exam's state into its agent; what is damaged, or of other options, begins anew."""
    try:
        state = load_checkpoint(path, agent.device)
    except (FileNotFoundError, DamagedCheckpointError):
        return Progress(), 0.0
    if state["of"] != digest(exam.asked):
        return Progress(), 0.0
    agent.load_state_dict(state["agent"])
    return Progress(**state["progress"]), float(state["seconds"])
