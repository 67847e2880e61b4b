"""Actors in lockstep: every row is as old as is asked for, whatever the actors' speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engram.common.state_form import StateError
from engram.training.actors.driver import ActorDriver
from engram.training.actors.messages import Packed, Task


class LockstepDriver(ActorDriver):
    """Version u learns from rollout u of every actor, in their order, made with version u − lag (before 0: version 0).

    With lag 0 actors wait while the learner learns; with lag 1 they collect the next rollout meanwhile. What a rollout
    holds follows from parameters, states and streams of noise alone, so a run is the same at any timing.

    Args:
        *arguments: of `ActorDriver`.
        lag: how old the parameters are that act.
    """

    def __init__(self, *arguments: Any, lag: int) -> None:
        super().__init__(*arguments)
        self.lag = lag
        self._asked = 0  # rollouts that every actor was asked for
        # What rollouts in flight are made with, by version: parameters, and the steps that the learner had learnt from.
        self._flat: dict[int, np.ndarray] = {}
        self._steps: dict[int, int] = {}

    def publish(self, version: int, parameters: Any) -> None:
        """See `ActorDriver`; what may be needed for a checkpoint is kept."""
        self._flat[version], self._steps[version] = parameters, self.env_steps
        super().publish(version, parameters)

    def take(self, length: int) -> list[Packed]:
        """See `ActorDriver`."""
        for number in range(self._asked, self.version + self.lag + 1):
            version = max(number - self.lag, 0)
            for seat in range(len(self._seats)):
                self.crew.ask(seat, Task(number, version, self._steps[version], length))
        self._asked = self.version + self.lag + 1
        taken = [self.crew.take_first([seat]) for seat in range(len(self._seats))]
        for version in [one for one in self._flat if one < max(self.version + 1 - self.lag, 0)]:
            del self._flat[version], self._steps[version]
        return taken

    def own_state(self) -> dict[str, Any]:
        """What rollouts in flight are made with: actors make these once more, to the bit."""
        flat = {str(version): torch.from_numpy(one) for version, one in self._flat.items()}
        steps = {str(version): one for version, one in self._steps.items()}
        return {"version": self.version, "parameters": flat, "env_steps": steps}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """See `ActorDriver`."""
        expected = {str(version) for version in range(max(self.version - self.lag, 0), self.version)}
        for name in ("parameters", "env_steps"):
            if state[name].keys() != expected:
                got, versions = sorted(state[name]), sorted(expected)
                raise StateError(f"driver/actors/{name}: expected those of versions {versions}, got {got}")
        self._asked = self.version
        for version, flat in state["parameters"].items():
            self.publish(int(version), flat.cpu().numpy())
            self._steps[int(version)] = state["env_steps"][version]
