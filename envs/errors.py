"""Mistakes in how environments are made, and in how they behave."""

from __future__ import annotations


class UnknownOptionError(TypeError, ValueError):
    """A constructor has no such option.

    Clients of Gymnasium try options and leave out one that is answered with Python's TypeError, whose words some of
    them read; commands show a ValueError as the user's mistake. It takes its text alone, since `gymnasium.make`
    makes another of the same type.
    """


def unknown_option(sentence: str, option: str) -> UnknownOptionError:
    """Return the error for an option by its name, with Python's words at the end of the sentence."""
    return UnknownOptionError(f"{sentence} (__init__() got an unexpected keyword argument {option!r})")


class EnvironmentFault(ValueError):
    """An environment broke Gymnasium's contract while it was played; the text is one sentence.

    A mistake inside an environment's own code is none of these: it keeps its own type and traceback.
    """


class WorkerFault(EnvironmentFault):
    """The process of an environment was ended or does not answer; the text is one sentence."""
