"""What an environment does wrong that its author can mend."""

from __future__ import annotations


class EnvironmentFault(ValueError):
    """An environment broke Gymnasium's contract while it was played; the text is one sentence.

    A mistake inside an environment's own code is none of these: it keeps its own type and traceback.
    """
