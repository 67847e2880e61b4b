"""How far a run has come, as its checkpoints keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engram.common.state_form import Kind, Maybe, OrNull, Real, Whole


@dataclass
class Progress:
    """How far a run has come beyond what agent and driver know themselves.

    Attributes:
        best_return: highest mean return of an evaluation so far.
        last_return: mean return of the last evaluation.
        solved: an evaluation reached the return at which the run was to stop.
        unfinished_from: environment steps before an iteration within which the run was saved: the rest of its updates,
            its evaluation and its log line are still to come. None if there is none.
    """

    best_return: float | None = None
    last_return: float | None = None
    solved: bool = False
    unfinished_from: int | None = None

    @staticmethod
    def state_form() -> dict[str, Any]:
        """What a stored one must look like (`engram.common.state_form`); earlier versions had no `unfinished_from`."""
        return {
            "best_return": OrNull(Real()),
            "last_return": OrNull(Real()),
            "solved": Kind(bool),
            "unfinished_from": Maybe(OrNull(Whole())),
        }

    def logged_until(self, env_steps: int) -> int:
        """Environment steps up to which a run at `env_steps` has logged: lines after them are to come (again)."""
        return env_steps if self.unfinished_from is None else self.unfinished_from
