"""The kinds of error that are told in one sentence: a user's mistakes, and environments that misbehave."""

from __future__ import annotations

from engram.common.checked import UnknownOptionError


class UsageError(Exception):
    """Something the user can mend; its text is one sentence."""


class RunError(ValueError):
    """What `UsageError` is to a command, for whoever calls from Python: something to mend, told in one sentence."""


class StoppedError(Exception):
    """A signal asked the command to end, and it did so in good order.

    Args:
        exit_code: 128 and the number of the signal.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"stopped with exit code {exit_code}")
        self.exit_code = exit_code


def unknown_option(sentence: str, option: str) -> UnknownOptionError:
    """Return the error for an option by its name, with Python's words at the end of the sentence."""
    return UnknownOptionError(f"{sentence} (__init__() got an unexpected keyword argument {option!r})")


class EnvironmentFault(ValueError):
    """An environment broke Gymnasium's contract while it was played; the text is one sentence.

    A mistake inside an environment's own code is none of these: it keeps its own type and traceback.
    """


class WorkerFault(EnvironmentFault):
    """The process of an environment was ended or does not answer; the text is one sentence."""


class RankLostError(Exception):
    """Another process of the run has ended or does not answer; the text is what the library said of it."""
