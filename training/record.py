"""Metrics that wait for the next log line; a checkpoint holds them, so that it may be written at any iteration."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from engram.common.rows import Rollout
from engram.common.state_form import Kind, ListOf, MapOf, Real, Whole

Metrics = dict[str, float]


class Record:
    """Metrics since the last log line.

    Args:
        env_steps: where the loop begins.
    """

    def __init__(self, env_steps: int = 0) -> None:
        self._begin(env_steps)

    def _begin(self, env_steps: int) -> None:
        self._env_steps = env_steps
        self._losses: dict[str, list[float]] = {}
        self._returns: list[float] = []
        self._lengths: list[int] = []
        self._collect_seconds = self._update_seconds = 0.0

    def add_rollout(self, rollout: Rollout, seconds: float) -> None:
        """Note the episodes that ended in a rollout."""
        self._returns += rollout.episode_returns
        self._lengths += rollout.episode_lengths
        self._collect_seconds += seconds

    def add_update(self, losses: Mapping[str, float], seconds: float) -> None:
        """Note the outcome of one update."""
        for name, value in losses.items():
            self._losses.setdefault(name, []).append(float(value))
        self._update_seconds += seconds

    def take(self, env_steps: int) -> Metrics:
        """Return the means and begin anew at `env_steps`."""
        metrics = {f"losses/{name}": statistics.fmean(values) for name, values in self._losses.items()}
        if self._returns:
            metrics["charts/episodic_return"] = statistics.fmean(self._returns)
            metrics["charts/episodic_length"] = statistics.fmean(self._lengths)
        seconds = self._collect_seconds + self._update_seconds
        # A stored record may have taken no time, on a coarse clock or because it was edited.
        metrics["charts/SPS"] = (env_steps - self._env_steps) / seconds if seconds else 0.0
        metrics["time/collect_seconds"] = self._collect_seconds
        metrics["time/update_seconds"] = self._update_seconds
        self._begin(env_steps)
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """All that waits, as JSON values."""
        return {
            "env_steps": self._env_steps,
            "losses": {name: list(values) for name, values in self._losses.items()},
            "returns": list(self._returns),
            "lengths": list(self._lengths),
            "seconds": [self._collect_seconds, self._update_seconds],
        }

    @staticmethod
    def state_form() -> dict[str, Any]:
        """The form of these, see `engram.common.state_form`."""
        return {
            "env_steps": Whole(),
            "losses": MapOf(ListOf(Kind(float))),
            "returns": ListOf(Real()),
            "lengths": ListOf(Whole()),
            "seconds": [Real(low=0), Real(low=0)],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._env_steps = state["env_steps"]
        self._losses = {name: list(values) for name, values in state["losses"].items()}
        self._returns, self._lengths = list(state["returns"]), list(state["lengths"])
        self._collect_seconds, self._update_seconds = state["seconds"]
