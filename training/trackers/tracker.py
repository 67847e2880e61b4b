"""What every experiment tracker can do, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Line:
    """A line of metrics.

    Attributes:
        env_steps: when.
        metrics: finite numbers by name.
        media: uint8 pictures `[3, height, width]` and films `[B, T, 3, height, width]` by name.
    """

    env_steps: int
    metrics: Mapping[str, float]
    media: Mapping[str, Tensor] = field(default_factory=dict)


MOST_METRICS = 1000
"""Numbers that a tracker is given at once; MLflow's limit."""


class Tracker(Protocol):
    """A place that keeps runs to be looked at.

    Attributes:
        name: of the option, and of the file in a run's folder.
        title: its own name, for sentences.
        errors: what its library raises where it cannot be reached or refuses something.
    """

    name: str
    title: str

    @property
    def errors(self) -> tuple[type[Exception], ...]: ...  # noqa: D102

    def open(self, run_name: str, config: Mapping[str, Any], id: str | None) -> str:
        """Begin a run, or go on with one.

        Args:
            run_name: to be shown.
            config: what the run learns by, nested.
            id: of the run to go on with; None begins one.

        Returns:
            The id of the run.
        """

    def last_step(self) -> int | None:
        """Environment steps of the last line that it has, -1 for none; None if it cannot tell."""

    def log(self, lines: Sequence[Line]) -> None:
        """Take lines, in their order, of at most `MOST_METRICS` numbers."""

    def close(self, has_failed: bool) -> None:
        """The run has ended or stopped."""
