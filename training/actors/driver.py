"""The driver of a run whose environments are stepped by actors: hands out rollouts as `engram.envs.Driver` does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tensordict import TensorDict

from engram.agents.base import Agent
from engram.common.rows import Act, Rollout
from engram.common.state_form import Anything, AtLeast, MapOf, Numbers, Whole
from engram.envs import VectorEnv
from engram.envs.divided import joined, part_of
from engram.training.actors.actor import Seat
from engram.training.actors.crew import Crew
from engram.training.actors.described import DescribedEnvs
from engram.training.actors.messages import Packed, join, join_rollouts, pack, tensors, unpack
from engram.training.actors.parameters import parameter_bytes
from engram.training.actors.transport import Transport

ACTORS = "actors"


class ActorDriver(ABC):
    """Asks actors for rollouts, and puts what they bring together; which ones is what two kinds of it differ in.

    The learner's version u is the number of rollouts, each of all environments, that it has learnt from; the lag of a
    row is the learner's version when it learns from it, less that of the parameters which acted.

    Args:
        agent: learns; actors act with copies of what it acts with.
        env: what the environments are.
        seats: of the actors.
        make_transport: starts what runs them.

    Attributes:
        env: as given.
        env_steps: transitions handed out so far, over all environments.
        version: rollouts handed out so far.
        measured: of the rollout handed out last, by the name in the log.
    """

    def __init__(
        self,
        agent: Agent,
        env: DescribedEnvs,
        seats: Sequence[Seat],
        make_transport: Callable[[], Transport],
    ) -> None:
        self.env: VectorEnv = env
        self.env_steps = self.version = 0
        self.measured: dict[str, float] = {}
        self._agent, self._seats, self._make_transport = agent, seats, make_transport
        self._crew: Crew | None = None
        self._row: TensorDict | None = None
        self._carry: TensorDict | None = None

    @property
    def crew(self) -> Crew:
        """The actors, once they have begun."""
        assert self._crew is not None, "start comes before actors"
        return self._crew

    @property
    def row(self) -> TensorDict:
        """The pending row `[B]` that the run begins or is continued with."""
        assert self._row is not None, "start comes before the first row"
        return self._row

    @property
    def carry(self) -> TensorDict:
        """The agent's carry before that row, `[B]`."""
        assert self._carry is not None, "start comes before the first carry"
        return self._carry

    def start(self, seed: int, carry: TensorDict) -> None:
        """Start the actors and begin the first episodes; arguments are as of `Driver.start`."""
        self.env_steps = self.version = 0
        self._begin("start", [seed for _ in self._seats], carry)

    def _begin(self, method: str, arguments: Sequence[Any], carry: TensorDict) -> None:
        carries = [pack(carry[seat.envs]) for seat in self._seats]
        if self._crew is None:
            self._crew = Crew(self._make_transport(), self._seats, carries)
        begun = self._crew.begin(method, arguments)
        self._row, self._carry = (
            tensors(join([one[name] for one in begun]), self.env.num_envs).to(self._agent.device)
            for name in ("row", "carry")
        )

    def collect(self, act: Act, rollout_length: int) -> Rollout:
        """Hand out the next rollout of all environments; it may have been collected before.

        Args:
            act: not called: actors act with their own copies.
            rollout_length: T.
        """
        self.publish(self.version, parameter_bytes(self._agent))
        played = self.take(rollout_length)
        lags = [self.version - one["task"].version for one in played]
        self.measured = {"actors/lag": sum(lags) / len(lags), "actors/largest_lag": float(max(lags))}
        self.env_steps += sum(one["env_steps"] for one in played)
        self.version += 1
        self.crew.forget_before(self.version)
        return join_rollouts(played, self._agent.device)

    def publish(self, version: int, parameters: Any) -> None:
        """Bring parameters to all actors."""
        self.crew.publish(version, parameters)

    @abstractmethod
    def take(self, length: int) -> list[Packed]:
        """Take as many rollouts as there are actors, of `length` rows, and ask for others."""

    @property
    def rows_in_flight(self) -> int:
        """Rows that actors were asked for and nothing has learnt from."""
        tasks = [one.task for own in self.crew.in_flight for one in own]
        return sum(task.length * self._seats[0].num_envs for task in tasks)

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to continue, with any number of actors: as of `Driver`, and `actors`."""
        states = joined([unpack(state) for state in self.crew.states()])
        return {**states, "env_steps": self.env_steps, ACTORS: self.own_state()}

    def own_state(self) -> dict[str, Any]:
        """What is to be stored beside the states of all environments."""
        return {"version": self.version, "parameters": {}, "env_steps": {}}

    def state_form(self, carry: TensorDict) -> AtLeast:
        """What a stored state must look like, see `engram.common.state_form`; actors look at the rest of it."""
        size = (len(parameter_bytes(self._agent)),)
        parts = {
            "episode_return": Numbers((self.env.num_envs,), torch.float64),
            "episode_length": Numbers((self.env.num_envs,), torch.int64, low=0),
            "env_steps": Whole(),
            ACTORS: {
                "version": Whole(),
                "parameters": MapOf(Numbers(size, torch.uint8)),
                "env_steps": MapOf(Whole()),
            },
        }
        return AtLeast({"env": Anything(), "carry": Anything(), **parts})

    def load_state_dict(self, state: dict[str, Any], carry: TensorDict) -> None:
        """Start the actors where the state was taken; arguments are as of `Driver.load_state_dict`.

        Raises:
            StateError: if the state is not one of such environments.
        """
        of_envs = {key: value for key, value in state.items() if key != ACTORS}
        self._begin("load", [pack(part_of(of_envs, seat.envs)) for seat in self._seats], carry)
        self.env_steps, self.version = int(state["env_steps"]), int(state[ACTORS]["version"])
        self.load_own_state(state[ACTORS])

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Go on from what `own_state` returned, with `version` as it was then."""
        self.crew.forget_before(self.version)

    def close(self) -> None:
        """End the actors."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None
