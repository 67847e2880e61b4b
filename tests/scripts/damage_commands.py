"""Commands run inside this process, in tens of milliseconds: what they say, and how they end."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import os
import pickle
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import engram.command_line.config
import engram.scripts.evaluate
import engram.scripts.plot
import engram.scripts.sweep
import engram.scripts.sweeps.trial
import engram.scripts.train
import engram.training.user_code
from engram.common.errors import UsageError
from engram.common.machine_errors import sentence_of
from engram.scripts.faults.errors import run

HANG_SECONDS = 120


class HangError(Exception):
    """A command takes longer than any may."""


@dataclass(frozen=True)
class Said:
    """How a command ended.

    Attributes:
        code: of its exit; None if it ended in an exception.
        text: its warnings and what it wrote to stderr.
        out: what it wrote to stdout.
        trace: of the exception.
        value: what a function returned.
    """

    code: int | None
    text: str
    out: str
    trace: str = ""
    value: Any = None


def call(main: Callable[[Sequence[str]], Any], *words: str) -> Said:
    """Run a command's `main`, as its entry point does."""
    out, err = io.StringIO(), io.StringIO()
    formatting = warnings.formatwarning
    values: list[Any] = []
    with warnings.catch_warnings(record=True) as caught, _no_longer_than(HANG_SECONDS):
        warnings.simplefilter("always")
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code: int | None = run(lambda given: values.append(main(given)), words)
            trace = ""
        except BaseException:
            code, trace = None, traceback.format_exc()
        finally:
            warnings.formatwarning = formatting
            torch.set_num_threads(1)
    text = "".join(f"warning: {one.message}\n" for one in caught) + err.getvalue()
    return Said(code, text, out.getvalue(), trace, values[0] if values else None)


def call_function(function: Callable[[], Any]) -> Said:
    """Run a function of the library, which refuses by a ValueError or where a file is missing."""

    def main(words: Sequence[str]) -> Any:
        try:
            return function()
        except (ValueError, FileNotFoundError) as error:
            raise UsageError(sentence_of(error)) from error

    return call(main)


def in_a_fork(consume: Callable[[], Any]) -> Said:
    """Run a consumer in a copy of this process, which it may bring down; returns what it said."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = Said(None, "", "", traceback.format_stack()[-1])
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where a crash is told
            said = consume().said
        finally:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(Said(said.code, said.text, said.out, said.trace), pipe)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        return Said(None, "", "", f"the process ended with {status}: {signal.strsignal(-status)}")
    said = pickle.loads(content)
    assert isinstance(said, Said)
    return said


@contextlib.contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise HangError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class TrialsHere:
    """A sweep's launcher that runs its trials in this process, one after the other."""

    def __init__(self) -> None:
        self._ended: list[tuple[str, int]] = []

    def has_room(self) -> bool:
        return not self._ended

    def start(self, name: str, words: Sequence[str], log: Path) -> None:
        said = call(lambda given: engram.scripts.sweeps.trial.main(list(given)), *words)
        with open(log, "a") as file:
            file.write(said.out + said.text + said.trace)
        self._ended.append((name, 1 if said.code is None else said.code))

    def ended(self) -> list[tuple[str, int]]:
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def quick_commands() -> Iterator[None]:
    """Compose each configuration once, leave the disk unsynchronised, and run a sweep's trials here."""
    with contextlib.ExitStack() as patched:
        compose = _composed_once()
        for module in ("api.starting", "api.evaluation", "api.comparison", "scripts.sweeps.plan"):
            patched.enter_context(mock.patch(f"engram.{module}.compose_config", compose))
        # Otherwise this file were code of a user's own, whose faults are told in another way.
        ours = str(Path(__file__).parent / "damage_")
        patched.enter_context(
            mock.patch("engram.training.user_code._ENGRAM", (*engram.training.user_code._ENGRAM, ours))
        )
        patched.enter_context(mock.patch.object(os, "fsync", lambda descriptor: None))
        patched.enter_context(mock.patch("engram.scripts.sweep.make_launcher", lambda *_: TrialsHere()))
        patched.enter_context(mock.patch("engram.scripts.sweeps.loop._POLL_SECONDS", 0.0))
        yield


def _composed_once() -> Callable[[str, Sequence[str]], Any]:
    compose = engram.command_line.config.compose_config

    @functools.cache
    def once(name: str, words: tuple[str, ...]) -> Any:
        return compose(name, words)

    return lambda name, words: copy.deepcopy(once(name, tuple(words)))
