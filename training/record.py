"""Metrics that wait for the next log line; a checkpoint holds them, so that it may be written at any iteration."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from engram.common.metric_names import LENGTH, RETURN, agent_key, training_key
from engram.common.rows import Rollout
from engram.common.state_form import ByKey, Kind, ListOf, MapOf, Real, Whole

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
        self._values: dict[str, list[float]] = {}
        self._collect_seconds = self._update_seconds = 0.0

    def add_rollout(self, rollout: Rollout, seconds: float) -> None:
        """Note the episodes that ended in a rollout."""
        for name, values in rollout.episodes.items():
            self._values.setdefault(training_key(name), []).extend(map(float, values))
        self._collect_seconds += seconds

    def add_update(self, metrics: Mapping[str, float], seconds: float) -> Metrics:
        """Note what the agent returned of one update; returns it by the names of the log."""
        named = {agent_key(name): float(value) for name, value in metrics.items()}
        for key, value in named.items():
            self.add(key, value)
        self._update_seconds += seconds
        return named

    def add(self, key: str, value: float) -> None:
        """Note a number of a callback's own."""
        self._values.setdefault(key, []).append(value)

    def take(self, env_steps: int) -> Metrics:
        """Return the means and begin anew at `env_steps`; what was not measured is left out."""
        metrics = {key: statistics.fmean(values) for key, values in self._values.items() if values}
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
            "values": {key: list(values) for key, values in self._values.items()},
            "seconds": [self._collect_seconds, self._update_seconds],
        }

    @staticmethod
    def state_form() -> ByKey:
        """The form of these and of what was stored before, see `engram.common.state_form`."""
        both = {"env_steps": Whole(), "seconds": [Real(low=0), Real(low=0)]}
        values = MapOf(ListOf(Kind(float)))
        before = {"losses": values, "returns": ListOf(Real()), "lengths": ListOf(Whole())}
        return ByKey("losses", both | before, both | {"values": values})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._env_steps = state["env_steps"]
        stored = _values_of_before(state) if "losses" in state else state["values"]
        self._values = {key: list(values) for key, values in stored.items()}
        self._collect_seconds, self._update_seconds = state["seconds"]


def _values_of_before(state: Mapping[str, Any]) -> dict[str, list[float]]:
    """What waits in a state as it was stored before: losses by name, and apart from them returns and lengths."""
    losses = {agent_key(name): values for name, values in state["losses"].items()}
    episodes = {RETURN: state["returns"], LENGTH: state["lengths"]}
    return losses | {training_key(name): [*map(float, values)] for name, values in episodes.items()}
