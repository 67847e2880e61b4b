"""An actor: some of a run's environments, and a copy of the agent that acts in them and never learns."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensordict import TensorDict

from engram.agents.stored.loading import build_agent
from engram.common.state_form import check_like
from engram.envs import Driver
from engram.training.actors.messages import Packed, Task, join, pack, pack_rollout, tensors, unpack
from engram.training.actors.parameters import load_parameter_bytes
from engram.training.building import build_env


@dataclass(frozen=True)
class Seat:
    """What an actor is made of.

    Attributes:
        config: of the run, plain mapping.
        index: of the actor.
        count: of actors.
        search_path: where the learner looks for modules; an actor looks there too.
    """

    config: dict[str, Any]
    index: int
    count: int
    search_path: Sequence[str] = ()

    @property
    def num_envs(self) -> int:
        """Environments of each actor."""
        return int(self.config["num_envs"]) // self.count

    @property
    def envs(self) -> slice:
        """Which of the run's environments are its."""
        return slice(self.index * self.num_envs, (self.index + 1) * self.num_envs)


class Actor:
    """Collects rollouts, each with the parameters that come with the task.

    A rollout is a function of these and of the state before it, so that whoever is asked again gives the same.

    Args:
        seat: what it is made of.

    Attributes:
        num_rows: that it has collected in this process.
    """

    def __init__(self, seat: Seat) -> None:
        sys.path.extend(path for path in seat.search_path if path not in sys.path)
        config = {**seat.config, "device": "cpu"}
        self._seat, self._version = seat, -1
        env = build_env(config, seat.num_envs, first_index=seat.envs.start)
        self._agent = build_agent(
            config,
            env.single_observation_space,
            env.single_action_space,
            "cpu",
            config["allow"],
            env.box_action,
        )
        self._driver = Driver(env, self._agent.carry_every)
        self.num_rows = 0

    def start(self, seed: int, carry: Packed) -> tuple[Packed, Packed]:
        """Begin the first episodes.

        Args:
            seed: of the environments.
            carry: the agent's initial carry `[num_envs]`.

        Returns:
            The pending `row`, the `carry` before it and the `warnings` that came, and the state, for `load`.
        """
        return self._begun(lambda own: self._driver.start(seed, own), carry)

    def load(self, state: Packed, carry: Packed) -> tuple[Packed, Packed]:
        """Go on from a state; arguments and what comes back are as of `start`.

        Raises:
            StateError: if the state is not one of such environments.
        """
        stored = unpack(state)

        def go_on(own: TensorDict) -> None:
            check_like(self._driver.state_form(own), stored, "driver")
            self._driver.load_state_dict(stored, own)

        return self._begun(go_on, carry)

    def _begun(self, begin: Callable[[TensorDict], None], carry: Packed) -> tuple[Packed, Packed]:
        initial = tensors(join([carry]), self._seat.num_envs)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            begin(initial)
        driver = self._driver
        said = [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
        return {"row": pack(driver.row), "carry": pack(driver.carry.clone()), "warnings": said}, self._state()

    def collect(self, task: Task, parameters: np.ndarray) -> tuple[Packed, Packed]:
        """Collect a rollout; returns what `pack_rollout` makes of it with its `task` and `env_steps`, and the state."""
        if task.version != self._version:
            load_parameter_bytes(self._agent, parameters)
            self._version = task.version
        act = self._agent.actor_policy(task.env_steps, task.number * task.length, self._seat.index)
        before = self._driver.env_steps
        rollout = self._driver.collect(act, task.length)
        self.num_rows += rollout.rows.numel()
        steps = self._driver.env_steps - before
        return {**pack_rollout(rollout), "task": task, "env_steps": steps}, self._state()

    def rows_collected(self) -> int:
        """Rows collected in this process."""
        return self.num_rows

    def close(self) -> None:
        """Release the environments."""
        self._driver.env.close()

    def _state(self) -> Packed:
        state: Packed = pack(self._driver.state_dict())
        return state
